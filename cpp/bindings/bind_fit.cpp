#include <pybind11/stl.h>

#include <algorithm>
#include <optional>
#include <string>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/guarded_network.h"
#include "bindings/optimize_summary.h"
#include "bindings/signals.h"
#include "ebp/fit/network_least_squares.h"
#include "ebp/fit/network_objective.h"
#include "ebp/optimize/gauss_newton.h"
#include "ebp/optimize/levenberg_marquardt.h"

namespace ebp::bindings {
namespace {

using namespace pybind11::literals;
using namespace ebp::optimize;

// The checked arguments of a fit. Layers and loss of a network never change, and the fit has a theta of its
// own, so that it needs no lock.
template <class T>
struct Arguments {
  fit::Task<T> task;
  T* theta;
  Vector start;

  Arguments(GuardedNetwork<T>& guarded, Array<T>& theta_array, const Array<T>& x, const Array<T>& t,
            const std::optional<Array<T>>& weights, double weight_decay, Index n_threads)
      : task{guarded.network(), batch_of(guarded, x, t, weights, "fit"), weight_decay, n_threads, Signals()} {
    require_size(theta_array, guarded.network().n_parameters(), "fit", "theta");
    theta = theta_array.mutable_data();
    start = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(theta, theta_array.size())
                .template cast<double>();
  }

  void keep(const Vector& x) {
    for (Index k = 0; k < x.size(); ++k) theta[k] = T(x[k]);
  }
};

// Runs search() without the GIL. If it is ended by an exception, theta becomes the best point so far.
template <class T, class Problem, class Search>
auto searched(Arguments<T>& arguments, const Problem& problem, Search&& search) {
  py::gil_scoped_release release;
  try {
    return search();
  } catch (...) {
    arguments.keep(problem.best().x);
    throw;
  }
}

template <class T>
py::dict fit_minimize(GuardedNetwork<T>& network, Array<T> theta, const Array<T>& x, const Array<T>& t,
                      const std::optional<Array<T>>& weights, const std::string& method,
                      const std::string& solver, const py::object& callback, double weight_decay,
                      Index n_threads, double gradient_tolerance, double step_tolerance,
                      double decrease_tolerance, Index max_iter, double c1, double c2, Index max_line_search,
                      const std::string& beta, Index memory, bool initial_scaling) {
  const DescentOptions options = descent_options(gradient_tolerance, step_tolerance, decrease_tolerance,
                                                 max_iter, c1, c2, max_line_search);
  Arguments<T> arguments(network, theta, x, t, weights, weight_decay, n_threads);
  fit::NetworkObjective<T> objective(arguments.task, solver == "cholesky");
  std::unique_ptr<Direction> direction;
  const DescentResult result = searched(arguments, objective, [&] {
    direction = direction_of(method, objective, beta, memory, initial_scaling);
    return descend(objective, arguments.start, *direction, options, callback_of(callback));
  });
  arguments.keep(result.point.x);
  return summary_of(result, *direction);
}

// callback(iteration, x, mean loss, its gradient) for sums of squares of this total weight.
Callback mean_callback_of(const py::object& callback, double total_weight) {
  if (callback.is_none()) return nullptr;
  return [inner = callback_of(callback), total_weight](const Iterate& at) {
    const Vector gradient = at.gradient / total_weight;
    return inner({at.iteration, at.x, at.value / total_weight, gradient});
  };
}

// The choices that belong to networks: parameters share a unit, and their rounding is known.
struct SquaresSettings {
  std::string method, solver;
  double gradient_tolerance, step_tolerance, decrease_tolerance;
  Index max_iter;
  std::optional<double> damping;
  double smallest_eigenvalue;

  LeastSquaresOptions options() const {
    LeastSquaresOptions options;
    options.gradient_tolerance = gradient_tolerance;
    options.step_tolerance = step_tolerance;
    options.decrease_tolerance = decrease_tolerance;
    options.max_iterations = max_iter;
    options.scale_columns = false;
    options.linear.solver = solver == "cholesky" ? LinearSolver::kCholesky : LinearSolver::kConjugateGradient;
    options.linear.smallest_eigenvalue = options.rounding = smallest_eigenvalue;
    return options;
  }

  LeastSquaresResult search(LeastSquares& problem, const Vector& start, const Callback& callback) const {
    const LeastSquaresOptions chosen = options();
    const auto linear = make_step_solver(chosen.linear);
    if (method == "gauss_newton") return gauss_newton(problem, start, *linear, chosen, callback);
    std::unique_ptr<Damping> policy = std::make_unique<TrustRegionDamping>();
    if (damping) policy = std::make_unique<NielsenDamping>(*damping);
    return levenberg_marquardt(problem, start, *policy, *linear, chosen, callback);
  }
};

py::dict squares_summary_of(const LeastSquaresResult& result, double total_weight) {
  py::dict summary = summary_of(result.stop, result.iterations, result.counts);
  summary["fun"] = result.cost() / total_weight;
  summary["jac"] = array_of(Vector(result.gradient / total_weight));
  summary["njev"] = result.counts.jacobians;
  return summary;
}

template <class T>
py::dict fit_least_squares(GuardedNetwork<T>& network, Array<T> theta, const Array<T>& x, const Array<T>& t,
                           const std::optional<Array<T>>& weights, const std::string& method,
                           const std::string& solver, const py::object& callback, double weight_decay,
                           Index n_threads, double gradient_tolerance, double step_tolerance,
                           double decrease_tolerance, Index max_iter, std::optional<double> damping,
                           double smallest_eigenvalue) {
  const SquaresSettings settings{method,   solver,  gradient_tolerance, step_tolerance, decrease_tolerance,
                                 max_iter, damping, smallest_eigenvalue};
  Arguments<T> arguments(network, theta, x, t, weights, weight_decay, n_threads);
  fit::NetworkLeastSquares<T> problem(arguments.task, solver == "cholesky");
  const double total = problem.total_weight();
  const Callback watched = mean_callback_of(callback, total);
  const LeastSquaresResult result =
      searched(arguments, problem, [&] { return settings.search(problem, arguments.start, watched); });
  arguments.keep(result.x);
  return squares_summary_of(result, total);
}

// A sum of squares whose terms live elsewhere, in parts: the residuals (m) are the parts' roots of sums of
// squares. norms(x) -> (m,), linearize(x) -> (J'r (n,), J'J (n, n)) of all terms.
class SummedLeastSquares : public LeastSquares {
 public:
  SummedLeastSquares(Index n, Index m, const py::object& norms, const py::object& linearize)
      : m_(m), norms_(norms), linearize_(linearize), gradient_(n), normal_(n, n) {}

  Index n_parameters() const override { return gradient_.size(); }
  Index n_residuals() const override { return m_; }

  void residuals(const Vector& x, Vector& r) override {
    with_python([&] { r = vector_of(norms_(array_of(x)), m_); });
  }
  void linearize(const Vector& x) override {
    with_python([&] {
      const auto parts = linearize_(array_of(x)).cast<py::tuple>();
      gradient_ = vector_of(parts[0], n_parameters());
      const auto normal = parts[1].cast<Array<double>>();
      require_rows(normal, n_parameters(), n_parameters(), "fit", "J'J");
      normal_ = Eigen::Map<const Matrix>(normal.data(), n_parameters(), n_parameters());
    });
  }
  void gradient(const Vector&, Vector& g) override { g = gradient_; }
  void normal_matrix(Matrix& normal) override { normal = normal_; }
  void column_norms(Vector& norms) override { norms = normal_.diagonal().cwiseSqrt(); }
  double squared_product(const Vector& v) override {
    return v.dot(normal_.selfadjointView<Eigen::Lower>() * v);
  }

 private:
  static Vector vector_of(const py::object& from, Index size) {
    const auto array = from.cast<Array<double>>();
    require_size(array, size, "fit", "a vector of the parts");
    return Eigen::Map<const Vector>(array.data(), size);
  }

  Index m_;
  const py::object &norms_, &linearize_;
  Vector gradient_;
  Matrix normal_;
};

py::dict fit_summed_squares(const Array<double>& x0, Index n_parts, const py::object& norms,
                            const py::object& linearize, double total_weight, const std::string& method,
                            const py::object& callback, double gradient_tolerance, double step_tolerance,
                            double decrease_tolerance, Index max_iter, std::optional<double> damping,
                            double smallest_eigenvalue) {
  const SquaresSettings settings{method,   "cholesky", gradient_tolerance, step_tolerance, decrease_tolerance,
                                 max_iter, damping,    smallest_eigenvalue};
  SummedLeastSquares problem(x0.size(), n_parts, norms, linearize);
  const Vector start = Eigen::Map<const Vector>(x0.data(), x0.size());
  const Callback watched = mean_callback_of(callback, total_weight);
  LeastSquaresResult result;
  {
    py::gil_scoped_release release;
    result = settings.search(problem, start, watched);
  }
  py::dict summary = squares_summary_of(result, total_weight);
  summary["x"] = array_of(result.x);
  return summary;
}

template <class T>
void bind_one(py::module_& m) {
  m.def("fit_minimize", &fit_minimize<T>, "network"_a, py::arg("theta").noconvert(), py::arg("x").noconvert(),
        py::arg("t").noconvert(), py::arg("weights").noconvert(), py::kw_only(), "method"_a, "solver"_a,
        "callback"_a, "weight_decay"_a, "n_threads"_a, "gradient_tolerance"_a, "step_tolerance"_a,
        "decrease_tolerance"_a, "max_iter"_a, "c1"_a, "c2"_a, "max_line_search"_a, "beta"_a, "memory"_a,
        "initial_scaling"_a);
  m.def("fit_least_squares", &fit_least_squares<T>, "network"_a, py::arg("theta").noconvert(),
        py::arg("x").noconvert(), py::arg("t").noconvert(), py::arg("weights").noconvert(), py::kw_only(),
        "method"_a, "solver"_a, "callback"_a, "weight_decay"_a, "n_threads"_a, "gradient_tolerance"_a,
        "step_tolerance"_a, "decrease_tolerance"_a, "max_iter"_a, "damping"_a, "smallest_eigenvalue"_a);
}

}  // namespace

void bind_fit(py::module_& m) {
  bind_one<float>(m);
  bind_one<double>(m);
  m.def("fit_summed_squares", &fit_summed_squares, py::arg("x0").noconvert(), "n_parts"_a, "norms"_a,
        "linearize"_a, py::kw_only(), "total_weight"_a, "method"_a, "callback"_a, "gradient_tolerance"_a,
        "step_tolerance"_a, "decrease_tolerance"_a, "max_iter"_a, "damping"_a, "smallest_eigenvalue"_a);
}

}  // namespace ebp::bindings

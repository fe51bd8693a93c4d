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

template <class T>
py::dict fit_least_squares(GuardedNetwork<T>& network, Array<T> theta, const Array<T>& x, const Array<T>& t,
                           const std::optional<Array<T>>& weights, const std::string& method,
                           const std::string& solver, const py::object& callback, double weight_decay,
                           Index n_threads, double gradient_tolerance, double step_tolerance,
                           double decrease_tolerance, Index max_iter, std::optional<double> damping,
                           double smallest_eigenvalue) {
  LeastSquaresOptions options;
  options.gradient_tolerance = gradient_tolerance;
  options.step_tolerance = step_tolerance;
  options.decrease_tolerance = decrease_tolerance;
  options.max_iterations = max_iter;
  options.scale_columns = false;
  options.linear.solver = solver == "cholesky" ? LinearSolver::kCholesky : LinearSolver::kConjugateGradient;
  options.linear.smallest_eigenvalue = options.rounding = smallest_eigenvalue;
  Arguments<T> arguments(network, theta, x, t, weights, weight_decay, n_threads);
  fit::NetworkLeastSquares<T> problem(arguments.task, solver == "cholesky");
  const double total = problem.total_weight();
  const Callback watched = mean_callback_of(callback, total);
  const LeastSquaresResult result = searched(arguments, problem, [&] {
    const auto linear = make_step_solver(options.linear);
    if (method == "gauss_newton") return gauss_newton(problem, arguments.start, *linear, options, watched);
    std::unique_ptr<Damping> policy = std::make_unique<TrustRegionDamping>();
    if (damping) policy = std::make_unique<NielsenDamping>(*damping);
    return levenberg_marquardt(problem, arguments.start, *policy, *linear, options, watched);
  });
  arguments.keep(result.x);
  py::dict summary = summary_of(result.stop, result.iterations, result.counts);
  summary["fun"] = result.cost() / total;
  summary["jac"] = array_of(Vector(result.gradient / total));
  summary["njev"] = result.counts.jacobians;
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
}

}  // namespace ebp::bindings

#include <pybind11/stl.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/optimize_summary.h"
#include "ebp/optimize/gauss_newton.h"
#include "ebp/optimize/levenberg_marquardt.h"

namespace ebp::bindings {
namespace {

using namespace pybind11::literals;
using namespace ebp::optimize;

void copy_into(const py::object& from, Vector& to, const char* function, const char* name) {
  const auto array = from.cast<AnyArray<double>>();
  require(array.ndim() == 1 && array.shape(0) == to.size(), function,
          (std::string(name) + " must have shape (" + std::to_string(to.size()) + ",)").c_str(),
          shape_of(array));
  std::copy_n(array.data(), to.size(), to.data());
}

void copy_into(const py::object& from, Matrix& to, const char* function, const char* name) {
  const auto array = from.cast<AnyArray<double>>();
  require_rows(array, to.rows(), to.cols(), function, name);
  std::copy_n(array.data(), to.size(), to.data());
}

// fun(x) -> (value, gradient), hess(x) -> (n, n), hessp(x, v) -> (n,); the last two may be None. With
// `rounding`, that of a loss which is of second order in errors of this relative size.
class CallableObjective : public Objective {
 public:
  CallableObjective(Index n, const py::object& fun, const py::object& hess, const py::object& hessp,
                    std::optional<double> rounding)
      : n_(n), fun_(fun), hess_(hess), hessp_(hessp), rounding_(rounding) {}

  Index size() const override { return n_; }
  bool has_hessian() const override { return !hess_.is_none(); }

  double evaluate(const Vector& x, Vector& gradient) override {
    return with_python([&] {
      const auto result = fun_(array_of(x)).cast<py::tuple>();
      copy_into(result[1], gradient, "minimize", "the gradient");
      const double value = result[0].cast<double>();
      if (!first_value_) first_value_ = std::abs(value);
      return value;
    });
  }

  double rounding(double value) const override {
    if (!rounding_) return Objective::rounding(value);
    return *rounding_ * std::sqrt(std::abs(value) * std::max(std::abs(value), first_value_.value_or(0)));
  }

  void hessian(const Vector& x, Matrix& h) override {
    with_python([&] { copy_into(hess_(array_of(x)), h, "minimize", "hess(x)"); });
  }

  void hessian_product(const Vector& x, const Vector& v, Vector& product) override {
    with_python([&] { copy_into(hessp_(array_of(x), array_of(v)), product, "minimize", "hessp(x, v)"); });
  }

 private:
  Index n_;
  const py::object &fun_, &hess_, &hessp_;
  std::optional<double> rounding_, first_value_;
};

// fun(x) -> (m,), jac(x) -> (m, n), or with products an object that has matvec, rmatvec and column_norms.
class CallableLeastSquares : public LeastSquares {
 public:
  CallableLeastSquares(Index n, Index m, const py::object& fun, const py::object& jac, bool products)
      : n_(n), m_(m), fun_(fun), jac_(jac), products_(products) {}
  ~CallableLeastSquares() override {
    py::gil_scoped_acquire acquire;
    operator_ = py::none();
  }

  Index n_parameters() const override { return n_; }
  Index n_residuals() const override { return m_; }

  void residuals(const Vector& x, Vector& r) override {
    with_python([&] { copy_into(fun_(array_of(x)), r, "least_squares", "the residuals"); });
  }

  void jacobian(const Vector& x, Matrix& j) override {
    with_python([&] { copy_into(jac_(array_of(x)), j, "least_squares", "jac(x)"); });
  }

  void linearize(const Vector& x) override {
    if (!products_) return LeastSquares::linearize(x);
    with_python([&] { operator_ = jac_(array_of(x)); });
  }

  void product(const Vector& v, Vector& jv) override {
    if (!products_) return LeastSquares::product(v, jv);
    with_python([&] { copy_into(operator_.attr("matvec")(array_of(v)), jv, "least_squares", "J v"); });
  }

  void transposed_product(const Vector& u, Vector& jtu) override {
    if (!products_) return LeastSquares::transposed_product(u, jtu);
    with_python([&] { copy_into(operator_.attr("rmatvec")(array_of(u)), jtu, "least_squares", "J' u"); });
  }

  // The lengths of the columns cannot be had from products: no scaling.
  void column_norms(Vector& norms) override {
    if (!products_) return LeastSquares::column_norms(norms);
    norms.setOnes();
  }

 private:
  Index n_, m_;
  const py::object &fun_, &jac_;
  bool products_;
  py::object operator_ = py::none();
};

Vector vector_of(const Array<double>& x) { return Eigen::Map<const Vector>(x.data(), x.size()); }

py::dict bound_minimize(const py::object& fun, const Array<double>& x0, const std::string& method,
                        const py::object& hess, const py::object& hessp, const py::object& callback,
                        double gradient_tolerance, double step_tolerance, double decrease_tolerance,
                        Index max_iter, double c1, double c2, Index max_line_search, const std::string& beta,
                        Index memory, bool initial_scaling, std::optional<double> rounding) {
  const DescentOptions options = descent_options(gradient_tolerance, step_tolerance, decrease_tolerance,
                                                 max_iter, c1, c2, max_line_search);
  CallableObjective objective(x0.size(), fun, hess, hessp, rounding);
  const Vector start = vector_of(x0);
  std::unique_ptr<Direction> direction;
  DescentResult result;
  {
    py::gil_scoped_release release;
    direction = direction_of(method, objective, beta, memory, initial_scaling);
    result = descend(objective, start, *direction, options, callback_of(callback));
  }
  py::dict summary = summary_of(result, *direction);
  summary["x"] = array_of(result.point.x);
  return summary;
}

py::dict bound_least_squares(const py::object& fun, const Array<double>& x0, Index m, const py::object& jac,
                             const std::string& method, const std::string& solver, const py::object& callback,
                             double gradient_tolerance, double step_tolerance, double decrease_tolerance,
                             Index max_iter, double damping, bool products) {
  LeastSquaresOptions options;
  options.gradient_tolerance = gradient_tolerance;
  options.step_tolerance = step_tolerance;
  options.decrease_tolerance = decrease_tolerance;
  options.max_iterations = max_iter;
  options.initial_damping = damping;
  static const std::map<std::string, LinearSolver> solvers{{"qr", LinearSolver::kQr},
                                                           {"cholesky", LinearSolver::kCholesky},
                                                           {"cg", LinearSolver::kConjugateGradient}};
  options.linear.solver = solvers.at(solver);
  CallableLeastSquares problem(x0.size(), m, fun, jac, products);
  const Vector start = vector_of(x0);
  LeastSquaresResult result;
  {
    py::gil_scoped_release release;
    const auto linear = make_step_solver(options.linear);
    NielsenDamping nielsen(options.initial_damping);
    result = method == "lm"
                 ? levenberg_marquardt(problem, start, nielsen, *linear, options, callback_of(callback))
                 : gauss_newton(problem, start, *linear, options, callback_of(callback));
  }
  py::dict summary = summary_of(result.stop, result.iterations, result.counts);
  summary["x"] = array_of(result.x);
  summary["fun"] = array_of(result.residuals);
  summary["cost"] = result.cost();
  summary["grad"] = array_of(result.gradient);
  summary["optimality"] = result.optimality;
  summary["njev"] = result.counts.jacobians;
  if (problem.linearized().size()) summary["jac"] = array_of(problem.linearized());
  return summary;
}

}  // namespace

void bind_optimize(py::module_& m) {
  m.def("minimize", &bound_minimize, "fun"_a, py::arg("x0").noconvert(), py::kw_only(), "method"_a, "hess"_a,
        "hessp"_a, "callback"_a, "gradient_tolerance"_a, "step_tolerance"_a, "decrease_tolerance"_a,
        "max_iter"_a, "c1"_a, "c2"_a, "max_line_search"_a, "beta"_a, "memory"_a, "initial_scaling"_a,
        "rounding"_a = py::none());
  m.def("least_squares", &bound_least_squares, "fun"_a, py::arg("x0").noconvert(), "m"_a, "jac"_a,
        py::kw_only(), "method"_a, "solver"_a, "callback"_a, "gradient_tolerance"_a, "step_tolerance"_a,
        "decrease_tolerance"_a, "max_iter"_a, "damping"_a, "products"_a);
}

}  // namespace ebp::bindings

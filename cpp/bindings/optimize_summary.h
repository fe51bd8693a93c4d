// What the bindings of the optimisers share: options, callbacks, the choice of directions, and results.
#pragma once

#include <memory>
#include <string>

#include "bindings/arrays.h"
#include "ebp/optimize/bfgs.h"
#include "ebp/optimize/conjugate_gradient.h"
#include "ebp/optimize/lbfgs.h"
#include "ebp/optimize/newton.h"

namespace ebp::bindings {

using ebp::optimize::Matrix;
using ebp::optimize::Vector;

// Copies: what Python gets or gives may be kept or changed there.
inline Array<double> array_of(const Vector& v) { return Array<double>(v.size(), v.data()); }

inline Array<double> array_of(const Matrix& m) { return Array<double>({m.rows(), m.cols()}, m.data()); }

// Runs body with the GIL; what Python raises passes through. Signals are served, so that Ctrl-C works even
// if the callables are not written in Python.
template <class Body>
auto with_python(Body&& body) {
  py::gil_scoped_acquire acquire;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  return body();
}

// callback(iteration, x, value, gradient), true to stop.
inline optimize::Callback callback_of(const py::object& callback) {
  if (callback.is_none()) return nullptr;
  return [&callback](const optimize::Iterate& at) {
    return with_python([&] {
      const py::object result = callback(at.iteration, array_of(at.x), at.value, array_of(at.gradient));
      return bool(py::bool_(result));
    });
  };
}

inline py::dict summary_of(optimize::Stop stop, Index iterations, const optimize::Counts& counts) {
  using namespace pybind11::literals;
  return py::dict("stop"_a = name_of(stop), "message"_a = reason_of(stop), "success"_a = converged(stop),
                  "nit"_a = iterations, "nfev"_a = counts.values, "nhev"_a = counts.hessians,
                  "status"_a = int(stop));
}

// The result of a search along directions but for x, which the callers have in types of their own.
inline py::dict summary_of(const optimize::DescentResult& result, const optimize::Direction& direction) {
  py::dict summary = summary_of(result.stop, result.iterations, result.counts);
  summary["fun"] = result.point.value;
  summary["jac"] = array_of(result.point.gradient);
  summary["njev"] = result.counts.values;
  if (const auto* bfgs = dynamic_cast<const optimize::BfgsDirection*>(&direction))
    summary["hess_inv"] = array_of(bfgs->inverse_hessian());
  return summary;
}

inline optimize::DescentOptions descent_options(double gradient_tolerance, double step_tolerance,
                                                double decrease_tolerance, Index max_iterations, double c1,
                                                double c2, Index max_evaluations) {
  optimize::DescentOptions options;
  options.gradient_tolerance = gradient_tolerance;
  options.step_tolerance = step_tolerance;
  options.decrease_tolerance = decrease_tolerance;
  options.max_iterations = max_iterations;
  options.line_search.c1 = c1;
  options.line_search.c2 = c2;
  options.line_search.max_evaluations = max_evaluations;
  return options;
}

inline std::unique_ptr<optimize::Direction> direction_of(const std::string& method,
                                                         const optimize::Objective& objective,
                                                         const std::string& beta, Index memory,
                                                         bool initial_scaling) {
  if (method == "newton") {
    if (objective.has_hessian()) return std::make_unique<optimize::NewtonDirection>();
    return std::make_unique<optimize::NewtonCgDirection>();
  }
  if (method == "cg")
    return std::make_unique<optimize::ConjugateGradientDirection>(
        beta == "fletcher_reeves" ? optimize::Beta::kFletcherReeves : optimize::Beta::kPolakRibiere);
  if (method == "lbfgs") return std::make_unique<optimize::LbfgsDirection>(memory);
  return std::make_unique<optimize::BfgsDirection>(objective.size(), initial_scaling);
}

}  // namespace ebp::bindings

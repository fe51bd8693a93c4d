#include "ebp/optimize/gauss_newton.h"

namespace ebp::optimize {
namespace {

constexpr int kMostHalvings = 60;

}  // namespace

LeastSquaresResult gauss_newton(LeastSquares& problem, const Vector& x, StepSolver& solver,
                                const LeastSquaresOptions& options, const Callback& callback) {
  LeastSquaresResult result;
  LinearModel model(problem, options, result);
  const auto stop = [&](Stop reason) {
    result.stop = reason;
    return result;
  };
  if (!model.begin(x)) return stop(Stop::kNonFinite);
  Vector step(x.size());
  while (!model.gradient_small()) {
    if (result.iterations >= options.max_iterations) return stop(Stop::kMaxIterations);
    solver.prepare(problem, result.residuals, result.gradient, model.scale());
    if (!solver.solve(0, step)) return stop(Stop::kSingular);
    const double slope = result.gradient.dot(step);
    const bool step_small = model.step_small(step), lost = model.lost_in_rounding(-slope / 2);
    if (!(slope < 0)) return stop(lost ? Stop::kDecrease : Stop::kSingular);
    double factor = 1, decrease = model.decrease(step);
    for (int k = 0; k < kMostHalvings && decrease < -options.smallest_slope * factor * slope; ++k) {
      factor /= 2;
      if (model.step_small(factor * step)) break;
      decrease = model.decrease(factor * step);
    }
    const bool taken = decrease >= -options.smallest_slope * factor * slope;
    const bool decrease_small = model.decrease_small(decrease, -slope / 2);
    if (!taken) {
      if (step_small) return stop(Stop::kStep);
      return stop(lost ? Stop::kDecrease : Stop::kLineSearch);
    }
    ++result.iterations;
    if (!model.take()) return stop(Stop::kNonFinite);
    if (callback && callback({result.iterations, result.x, result.cost(), result.gradient}))
      return stop(Stop::kCallback);
    if (model.gradient_small()) break;
    if (step_small) return stop(Stop::kStep);
    if (decrease_small) return stop(Stop::kDecrease);
  }
  return stop(Stop::kGradient);
}

}  // namespace ebp::optimize

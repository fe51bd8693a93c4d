#include "ebp/optimize/levenberg_marquardt.h"

namespace ebp::optimize {

LeastSquaresResult levenberg_marquardt(LeastSquares& problem, const Vector& x, Damping& damping,
                                       StepSolver& solver, const LeastSquaresOptions& options,
                                       const Callback& callback) {
  LeastSquaresResult result;
  LinearModel model(problem, options, result);
  const auto stop = [&](Stop reason) {
    result.stop = reason;
    return result;
  };
  if (!model.begin(x)) return stop(Stop::kNonFinite);
  Vector step(x.size());
  bool prepared = false;
  while (!model.gradient_small()) {
    if (result.iterations >= options.max_iterations) return stop(Stop::kMaxIterations);
    if (!prepared) solver.prepare(problem, result.residuals, result.gradient, model.scale());
    prepared = true;
    if (damping.exhausted()) return stop(Stop::kSingular);
    if (!damping.propose(solver, {result.x, result.gradient, model.scale()}, step)) {
      damping.reject();
      continue;
    }
    const double promised = model.promised(step), decrease = model.decrease(step);
    const bool step_small = model.step_small(step), decrease_small = model.decrease_small(decrease, promised);
    const double gain = promised > 0 ? decrease / promised : -1;
    if (gain >= options.smallest_gain) {
      damping.accept(gain);
      prepared = false;
      ++result.iterations;
      if (!model.take()) return stop(Stop::kNonFinite);
      if (callback && callback({result.iterations, result.x, result.cost(), result.gradient}))
        return stop(Stop::kCallback);
      if (model.gradient_small()) break;
    } else {
      damping.reject();
    }
    if (step_small) return stop(Stop::kStep);
    if (decrease_small) return stop(Stop::kDecrease);
  }
  return stop(Stop::kGradient);
}

}  // namespace ebp::optimize

// What Gauss-Newton and Levenberg-Marquardt share: options, result, and the model of a sum of squares at a
// point.
#pragma once

#include <limits>

#include "ebp/optimize/step_solver.h"
#include "ebp/optimize/stop.h"

namespace ebp::optimize {

struct LeastSquaresOptions {
  // max_i |J_i'r| / (|J_i| |r|) <= gradient_tolerance: the cosine between r and every column of J
  double gradient_tolerance = 1e-10;
  // and in any case |r| <= zero_tolerance |r at the start|: the residuals are 0
  double zero_tolerance = 1e-20;
  // |D step| <= step_tolerance |D x|, where |D x| counts up to a thousand times |D x at the start| + |D|:
  // undamped steps may run off along a flat direction, to where any step is small beside x
  double step_tolerance = 1e-10;
  // decrease and promised decrease of |r|^2 / 2 both <= decrease_tolerance |r|^2 / 2
  double decrease_tolerance = std::numeric_limits<double>::epsilon();
  Index max_iterations = 1000;
  // Levenberg-Marquardt: first mu; J'J is scaled to a diagonal of 1
  double initial_damping = 1e-4;
  // Levenberg-Marquardt: a step is taken if its decrease is at least this share of what the model promised
  double smallest_gain = 1e-4;
  // Gauss-Newton: the step is halved until |r|^2 / 2 falls by at least smallest_slope |step' J'r|
  double smallest_slope = 1e-4;
  // D_i = |J_i|, the largest so far (MINPACK); or, without scale_columns, D = d I, where d^2 is the mean of
  // |J_i|^2 at the start. The first is indifferent to units. The second suits problems whose parameters have
  // the same unit: there a short column, as that of a unit that saturates, is no reason for long steps.
  bool scale_columns = true;
  // Gauss-Newton: relative rounding of the residuals' terms; a decrease of |r|^2 / 2 below rounding times the
  // root of |r|^2 / 2 here and at the start, at least here, cannot be told from noise
  double rounding = 1e-13;
  // kept within these bounds (Ceres)
  double smallest_scale = 1e-12, largest_scale = 1e32;
  StepSolverOptions linear;
};

struct LeastSquaresResult {
  Stop stop = Stop::kMaxIterations;
  Vector x, residuals, gradient;  // (n), (m), J'r (n)
  double optimality = 0;          // max_i |gradient_i|
  Index iterations = 0;
  Counts counts;
  double cost() const { return 0.5 * residuals.squaredNorm(); }
};

// The linear model r + J s of the residuals at the point of `result`, with the scales D.
class LinearModel {
 public:
  LinearModel(LeastSquares& problem, const LeastSquaresOptions& options, LeastSquaresResult& result);

  // Residuals, J and gradient at x. False if they are not all finite.
  bool begin(const Vector& x);
  // The same at a point whose residuals are known.
  bool move(const Vector& x, const Vector& r);
  bool gradient_small() const;
  // The decrease of |r|^2 / 2 that a step (n) promises.
  double promised(const Vector& step);
  // The decrease of |r|^2 / 2 by a step (n); -infinity where r is not finite.
  double decrease(const Vector& step);
  bool step_small(const Vector& step) const;
  bool decrease_small(double decrease, double promised) const;
  bool lost_in_rounding(double promised) const;
  // Moves to the point of the last decrease().
  bool take() { return move(Vector(trial_x_), Vector(trial_r_)); }
  const Vector& scale() const { return scale_; }

 private:
  LeastSquares& problem_;
  const LeastSquaresOptions& options_;
  LeastSquaresResult& result_;
  static constexpr double kFar = 1e3;
  double first_norm_ = 0;  // |r at the start|
  Vector first_x_;
  Vector norms_, scale_, trial_x_, trial_r_;
};

}  // namespace ebp::optimize

#include "ebp/optimize/line_search.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace ebp::optimize {
namespace {

// Growth of a step that is too short, and the share of a bracket that a trial keeps from its ends.
constexpr double kSlowestGrowth = 1.1, kGrowth = 4, kFastestGrowth = 10, kMargin = 1e-3;
// A step into values that are not finite is shortened by this factor.
constexpr double kRetreat = 0.1;
// A bracket that shrinks by less than this factor is halved next time.
constexpr double kSlowestShrinkage = 0.7;
// A difference of values needs to be so many times their rounding to be worth more than the slopes.
constexpr double kLostDigits = 1e6;

// Where the slope through two points is 0; not finite if it never is.
double secant(double a, double slope_a, double b, double slope_b) {
  return a - slope_a * (b - a) / (slope_b - slope_a);
}

// The minimum of the cubic through values and slopes at a and b.
double cubic(double a, double value_a, double slope_a, double b, double value_b, double slope_b) {
  const double d1 = slope_a + slope_b - 3 * (value_a - value_b) / (a - b);
  const double root = std::sqrt(d1 * d1 - slope_a * slope_b);
  const double d2 = b > a ? root : -root;
  return b - (b - a) * (slope_b + d2 - d1) / (slope_b - slope_a + 2 * d2);
}

}  // namespace

LineSearch::LineSearch(const LineSearchOptions& options) : options_(options) {
  options_.c1 = std::min(options_.c1, options_.c2 / 2);
}

bool LineSearch::Trial::finite() const { return std::isfinite(value) && std::isfinite(slope); }

LineSearch::Trial LineSearch::evaluate(Objective& objective, double step, const Vector& direction,
                                       Counts& counts) {
  trial_point_.x.noalias() = origin_.x + step * direction;
  trial_point_.value = objective.evaluate(trial_point_.x, trial_point_.gradient);
  ++counts.values;
  if (!trial_point_.gradient.allFinite()) trial_point_.value = std::numeric_limits<double>::quiet_NaN();
  return {step, trial_point_.value, trial_point_.gradient.dot(direction)};
}

bool LineSearch::low_enough(const Trial& trial) const {
  if (trial.value <= start_.value + options_.c1 * trial.step * start_.slope) return true;
  // Where the values differ by rounding only, the slopes decide; in a quadratic they say the same.
  const bool equal = std::abs(trial.value - start_.value) <= rounding_;
  return equal && trial.slope <= (2 * options_.c1 - 1) * start_.slope;
}

bool LineSearch::flat_enough(const Trial& trial) const {
  return std::abs(trial.slope) <= -options_.c2 * start_.slope;
}

double LineSearch::longer(const Trial& before, const Trial& low) {
  double step = secant(before.step, before.slope, low.step, low.slope);
  if (!(low.slope > before.slope) || !std::isfinite(step)) step = kGrowth * low.step;
  return std::clamp(step, kSlowestGrowth * low.step, kFastestGrowth * low.step);
}

double LineSearch::inside(const Trial& low, const Trial& high, bool slow) const {
  const double width = high.step - low.step;
  if (!high.finite()) return low.step + kRetreat * width;
  // Values that are nearly equal have lost the digits that the cubic needs.
  const bool lost = std::abs(high.value - low.value) <= kLostDigits * rounding_;
  double step = lost && high.slope > 0
                    ? secant(low.step, low.slope, high.step, high.slope)
                    : cubic(low.step, low.value, low.slope, high.step, high.value, high.slope);
  if (slow || !std::isfinite(step)) step = low.step + width / 2;
  return std::clamp(step, low.step + kMargin * width, high.step - kMargin * width);
}

LineSearch::Outcome LineSearch::search(Objective& objective, Point& point, const Vector& direction,
                                       double initial, Counts& counts) {
  origin_ = point;
  trial_point_ = point;
  start_ = {0, point.value, point.gradient.dot(direction)};
  rounding_ = objective.rounding(point.value);
  Trial low = start_, high{};
  bool bracketed = false;
  double best = 0, step = initial, width_before = std::numeric_limits<double>::infinity();
  for (Index k = 0; k < options_.max_evaluations; ++k) {
    const Trial trial = evaluate(objective, step, direction, counts);
    const bool low_trial = trial.finite() && low_enough(trial);
    if (trial.finite() && trial.value < point.value) {
      point = trial_point_;
      best = step;
    }
    if (low_trial && flat_enough(trial)) {
      std::swap(point, trial_point_);
      return {true, step};
    }
    const Trial before = low;
    if (low_trial && trial.slope < 0) {
      low = trial;
    } else {
      high = trial;
      bracketed = true;
    }
    if (!bracketed) {
      step = longer(before, low);
      if (!std::isfinite(step)) break;
      continue;
    }
    const double width = high.step - low.step;
    if (width <= 2 * std::numeric_limits<double>::epsilon() * high.step) break;
    const bool slow = k > 2 && width > kSlowestShrinkage * width_before;
    step = inside(low, high, slow);
    width_before = width;
  }
  return {false, best};
}

}  // namespace ebp::optimize

#include "ebp/optimize/descent.h"

#include <algorithm>
#include <cmath>

namespace ebp::optimize {
namespace {

double largest(const Vector& v) { return v.size() ? v.lpNorm<Eigen::Infinity>() : 0.0; }

bool gradient_small(const Point& point, const DescentOptions& options) {
  return largest(point.gradient) <= options.gradient_tolerance * std::max(1.0, std::abs(point.value));
}

bool step_small(const Vector& before, const Vector& after, const DescentOptions& options) {
  return ((after - before).array().abs() <= options.step_tolerance * after.array().abs()).all();
}

// A direction of descent, by a restart if need be. False if there is none.
bool find_direction(Objective& objective, const Point& point, Direction& direction, Vector& d,
                    Counts& counts) {
  const auto usable = [&] { return d.allFinite() && d.dot(point.gradient) < 0; };
  if (direction.compute(objective, point, d, counts) && usable()) return true;
  return direction.restart() && direction.compute(objective, point, d, counts) && usable();
}

// Whether all that a step along d can gain is lost in the rounding of the value.
bool lost_in_rounding(const Objective& objective, const Point& point, const Vector& d, double step) {
  return std::abs(step * point.gradient.dot(d)) <= 10 * objective.rounding(point.value);
}

}  // namespace

double cautious_step(const Vector& d) { return std::min(1.0, 1.0 / d.norm()); }

DescentResult descend(Objective& objective, const Vector& x, Direction& direction,
                      const DescentOptions& options, const Callback& callback) {
  DescentResult result;
  Point& point = result.point;
  point.x = x;
  point.gradient.resize(x.size());
  point.value = objective.evaluate(point.x, point.gradient);
  ++result.counts.values;
  const auto stop = [&](Stop reason) {
    result.stop = reason;
    return result;
  };
  if (!std::isfinite(point.value) || !point.gradient.allFinite()) return stop(Stop::kNonFinite);

  LineSearch line_search(options.line_search);
  Vector d(x.size());
  while (!gradient_small(point, options)) {
    if (result.iterations >= options.max_iterations) return stop(Stop::kMaxIterations);
    if (!find_direction(objective, point, direction, d, result.counts))
      return stop(d.allFinite() ? Stop::kSingular : Stop::kNonFinite);
    const Point before = point;
    const double initial = direction.initial_step(point, d);
    const LineSearch::Outcome outcome = line_search.search(objective, point, d, initial, result.counts);
    if (outcome.step == 0) {
      if (lost_in_rounding(objective, point, d, std::min(initial, 1.0))) return stop(Stop::kDecrease);
      if (direction.restart()) continue;
      return stop(Stop::kLineSearch);
    }
    direction.accept(before, point, d, outcome.step);
    ++result.iterations;
    if (callback && callback({result.iterations, point.x, point.value, point.gradient}))
      return stop(Stop::kCallback);
    if (gradient_small(point, options)) break;
    if (step_small(before.x, point.x, options)) return stop(Stop::kStep);
    if (before.value - point.value <= options.decrease_tolerance * std::abs(point.value))
      return stop(Stop::kDecrease);
  }
  return stop(Stop::kGradient);
}

}  // namespace ebp::optimize

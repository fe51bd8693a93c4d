// The loop of all methods that search along directions of descent. Section 6.
#pragma once

#include <limits>

#include "ebp/optimize/line_search.h"

namespace ebp::optimize {

// How a method chooses its directions: the policy of the loop.
class Direction {
 public:
  virtual ~Direction() = default;
  // d (n) at a point. False if the system for it cannot be solved; d is not finite if the system is not.
  virtual bool compute(Objective& objective, const Point& point, Vector& d, Counts& counts) = 0;
  // The step to try first along d.
  virtual double initial_step(const Point& point, const Vector& d) = 0;
  // Learns from a step: `step` times d led from `before` to `after`.
  virtual void accept(const Point& before, const Point& after, const Vector& d, double step) = 0;
  // Forgets everything. False if there was nothing to forget, so that the direction would be the same.
  virtual bool restart() = 0;
};

struct DescentOptions {
  // max_i |g_i| <= gradient_tolerance max(1, |E|^1/2): in other units of its residuals a sum of squares
  // changes by the square of the factor, its gradient, with parameters in these units too, by the factor
  double gradient_tolerance = 1e-8;
  // |step_i| <= step_tolerance |x_i| for every i
  double step_tolerance = std::numeric_limits<double>::epsilon();
  // E before - E after <= decrease_tolerance |E after|
  double decrease_tolerance = std::numeric_limits<double>::epsilon();
  Index max_iterations = 1000;
  LineSearchOptions line_search;
};

struct DescentResult {
  Stop stop = Stop::kMaxIterations;
  Point point;
  Index iterations = 0;
  Counts counts;
};

// Minimises from x (n). The result is the best point found, whatever ended the search.
DescentResult descend(Objective& objective, const Vector& x, Direction& direction,
                      const DescentOptions& options, const Callback& callback);

// The first step along d when nothing is known of the scale: of length 1 at most.
double cautious_step(const Vector& d);

}  // namespace ebp::optimize

// The step length along a direction of descent, by the strong Wolfe conditions.
#pragma once

#include "ebp/optimize/stop.h"

namespace ebp::optimize {

// A point with what is known there.
struct Point {
  Vector x;          // (n)
  double value = 0;  // E(x)
  Vector gradient;   // (n)
};

struct LineSearchOptions {
  // E(x + a d) <= E(x) + c1 a g'd, enough decrease; c1 is lowered to c2 / 2 where it is larger
  double c1 = 1e-4;
  // |g(x + a d)'d| <= c2 |g'd|, enough flattening; a small c2 (1e-8) makes the search exact on a quadratic
  double c2 = 0.9;
  Index max_evaluations = 50;
};

// Finds a step a with both conditions: steps grow until they hold or a bracket is found, which is then
// narrowed by cubic interpolation, safeguarded by bisection (Nocedal and Wright 2006, section 3.5; the
// conditions for values lost in rounding are those of Hager and Zhang 2005). The bracket's lower end always
// satisfies the first condition with too steep a slope, its upper end violates it or has a rising slope, so
// that a good step lies between them.
class LineSearch {
 public:
  struct Outcome {
    bool ok;      // both conditions hold
    double step;  // a; 0 if nothing better than the start was found
  };

  explicit LineSearch(const LineSearchOptions& options);

  // Moves `point` along d (n), starting with the trial step `initial`. When no step satisfies the conditions,
  // `point` becomes the best one that was seen, which may be the start. g'd must be negative.
  Outcome search(Objective& objective, Point& point, const Vector& direction, double initial, Counts& counts);

 private:
  struct Trial {
    double step, value, slope;
    bool finite() const;
  };
  Trial evaluate(Objective& objective, double step, const Vector& direction, Counts& counts);
  // The next step: beyond `low`, which is too short, or between both ends of a bracket.
  static double longer(const Trial& before, const Trial& low);
  double inside(const Trial& low, const Trial& high, bool slow) const;
  bool low_enough(const Trial& trial) const;
  bool flat_enough(const Trial& trial) const;

  LineSearchOptions options_;
  Trial start_{};
  double rounding_ = 0;  // of the values: within it the slopes alone decide
  Point trial_point_, origin_;
};

}  // namespace ebp::optimize

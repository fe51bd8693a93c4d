// Why an optimiser ended.
#pragma once

#include <functional>
#include <string>

#include "ebp/optimize/objective.h"

namespace ebp::optimize {

enum class Stop {
  kGradient,       // converged: the gradient is small
  kStep,           // converged: the step is small
  kDecrease,       // converged: the decrease is small
  kMaxIterations,  //
  kNonFinite,      // the value, a residual or a derivative is not finite where the method has to go on
  kLineSearch,     // no better point along a direction of descent
  kCallback,       // the callback asked for it
  kSingular,       // the linear system of a step has no usable solution
};

// A sentence for people.
const char* reason_of(Stop stop);
// One word for programs.
const char* name_of(Stop stop);
inline bool converged(Stop stop) { return stop <= Stop::kDecrease; }

// What a callback sees after an iteration: `value` is E, or |r|^2 / 2.
struct Iterate {
  Index iteration;
  const Vector& x;
  double value;
  const Vector& gradient;
};

// Called after every iteration, true to stop; may be empty, may throw.
using Callback = std::function<bool(const Iterate&)>;

// One count an evaluation of each kind.
struct Counts {
  Index values = 0, jacobians = 0, hessians = 0;
};

}  // namespace ebp::optimize

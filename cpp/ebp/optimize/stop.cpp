#include "ebp/optimize/stop.h"

namespace ebp::optimize {

const char* reason_of(Stop stop) {
  switch (stop) {
    case Stop::kGradient:
      return "Converged: the gradient is below its tolerance";
    case Stop::kStep:
      return "Converged: the step is below its tolerance";
    case Stop::kDecrease:
      return "Converged: the decrease is below its tolerance";
    case Stop::kMaxIterations:
      return "Stopped: max_iter iterations are done";
    case Stop::kNonFinite:
      return "Failed: the function or its derivatives are not finite";
    case Stop::kLineSearch:
      return "Failed: the line search found no better point; are the derivatives right?";
    case Stop::kCallback:
      return "Stopped by the callback";
    case Stop::kSingular:
      return "Failed: the linear system of the step is singular";
  }
  return "";
}

const char* name_of(Stop stop) {
  switch (stop) {
    case Stop::kGradient:
      return "gradient";
    case Stop::kStep:
      return "step";
    case Stop::kDecrease:
      return "decrease";
    case Stop::kMaxIterations:
      return "max_iter";
    case Stop::kNonFinite:
      return "non_finite";
    case Stop::kLineSearch:
      return "line_search";
    case Stop::kCallback:
      return "callback";
    case Stop::kSingular:
      return "singular";
  }
  return "";
}

}  // namespace ebp::optimize

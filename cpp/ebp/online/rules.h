// What one weight does with its gradient g: the options of every rule. Sections 4.7 and 9.1.
#pragma once

#include <variant>

#include "ebp/base/types.h"

namespace ebp {

// rate = epsilon, or epsilon / sqrt(fan-in of the unit times connections that share the weight)
struct SgdOptions {
  bool fan_in_scale = false;
};

// Stochastic diagonal Levenberg-Marquardt: rate = epsilon / (h + mu), (61), where h is the mean of the
// diagonal second derivatives (54)-(56).
struct SdlmOptions {
  double mu = 0.02;
  Index hessian_samples = 500;  // presentations that h is measured on
  bool running = false;   // false: measured before each call and frozen; true: (62) at every presentation
  double gamma = 0.05;    // leak size of (62)
  bool per_unit = false;  // one h a unit, the mean over its weights and bias
};

// v <- momentum v - rate (g + weight_decay w), w <- w + v; only weights decay, see Role.
struct RuleOptions {
  double learning_rate = 0;  // epsilon
  double momentum = 0;
  double weight_decay = 0;
  std::variant<SgdOptions, SdlmOptions> method;

  const SdlmOptions* sdlm() const { return std::get_if<SdlmOptions>(&method); }
  bool running() const { return sdlm() && sdlm()->running; }
  // All weights of a unit share one rate.
  bool unit_rates() const { return !sdlm() || sdlm()->per_unit; }
};

}  // namespace ebp

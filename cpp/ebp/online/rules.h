// What one weight does with its gradient g: the options of every rule. Sections 4.7 and 9.1.
#pragma once

#include <variant>

#include "ebp/base/types.h"

namespace ebp {

// Factors of the rate for a unit of m inputs, whose weights are shared by s connections each.
enum class Scale {
  kNone,
  kFanIn,    // 1 / sqrt(m s), the practice for gradients that are sums over the connections
  kLiteral,  // sqrt(m s), as printed
};

struct SgdOptions {
  Scale scale = Scale::kNone;
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

// One rate eta for all weights, which follows the length of the mean gradient r, (17)-(19):
// w <- w - eta g, r <- (1 - delta) r + delta g, eta <- eta + alpha eta (beta |r| - eta), within bounds.
struct MurataOptions {
  double delta, alpha, beta;
  double smallest, largest;  // of eta
};

// s <- s + g^2, rate = epsilon / (sqrt(s) + floor), s from `initial` on
struct AdaGradOptions {
  double initial, floor;
};

// s <- s + leak (g^2 - s), rate = epsilon / (sqrt(s) + floor), s from 0 on
struct RmsPropOptions {
  double leak, floor;
};

// m <- m + leak (g - m), s <- s + second_leak (g^2 - s), both from 0 on, and both divided by the sum of the
// weights that they have given to gradients so far; the change is epsilon m / (sqrt(s) + floor).
struct AdamOptions {
  double leak, second_leak, floor;
};

// The change is epsilon u times the sign of g. Where g has kept its sign, u grows by a factor; where it has
// changed, u shrinks, and there is no change until the next gradient. u from 1 on, within bounds.
struct RpropOptions {
  double increase, decrease;
  double smallest, largest;  // of u
};

// rate = epsilon u. Where g has the sign of the mean f of the gradients before, u grows by `increase`; where
// it has the other, u loses the fraction `decrease`. f <- f + leak (g - f); u from 1 on, at most `largest`.
struct DeltaBarDeltaOptions {
  double increase, decrease, leak, largest;
};

// With the change c that the method asks for, v <- momentum v - c and w <- w + v for the heavy ball.
enum class Momentum {
  kHeavyBall,
  kNesterov,  // w <- w + momentum v - c: the gradient is taken ahead of the weights, where v leads
  kAveraged,  // v <- momentum v - (1 - momentum) c, which keeps the size of the steps
};

// The method's gradient is g + weight_decay w; only weights decay, see Role.
struct RuleOptions {
  double learning_rate = 0;  // epsilon; Murata's first eta
  double momentum = 0;
  Momentum momentum_form = Momentum::kHeavyBall;
  double weight_decay = 0;
  std::variant<SgdOptions, SdlmOptions, MurataOptions, AdaGradOptions, RmsPropOptions, AdamOptions,
               RpropOptions, DeltaBarDeltaOptions>
      method;

  const SdlmOptions* sdlm() const { return std::get_if<SdlmOptions>(&method); }
  bool running() const { return sdlm() && sdlm()->running; }
  // All weights of a unit share one rate.
  bool unit_rates() const {
    return std::holds_alternative<SgdOptions>(method) || (sdlm() && sdlm()->per_unit);
  }
};

}  // namespace ebp

// One set of options for every rule that adapts its rates, with settings that make each of their parts count
// within a few updates.
#pragma once

#include <vector>

#include "ebp/online/rules.h"

namespace ebp::tests {

inline std::vector<RuleOptions> adaptive_rules(double rate) {
  const auto rule = [rate](auto method, double momentum = 0, double decay = 0,
                           Momentum form = Momentum::kHeavyBall) {
    return RuleOptions{rate, momentum, form, decay, method};
  };
  return {rule(MurataOptions{0.1, 0.2, 0.05, rate / 3, 3 * rate}),
          rule(MurataOptions{0.1, 0.2, 0.05, rate / 3, 3 * rate}, 0.5, 0.01, Momentum::kNesterov),
          rule(AdaGradOptions{0.1, 1e-3}),
          rule(AdaGradOptions{0, 1e-3}, 0.5, 0.01),
          rule(RmsPropOptions{0.1, 1e-3}),
          rule(RmsPropOptions{0.1, 1e-3}, 0.5, 0.01, Momentum::kAveraged),
          rule(AdamOptions{0.1, 0.01, 1e-3}),
          rule(AdamOptions{0.1, 0.01, 1e-3}, 0, 0.01),
          rule(RpropOptions{1.2, 0.5, 0.1, 1.5}),
          rule(DeltaBarDeltaOptions{0.1, 0.2, 0.3, 1.4}),
          rule(DeltaBarDeltaOptions{0.1, 0.2, 0.3, 1.4}, 0.5, 0.01)};
}

}  // namespace ebp::tests

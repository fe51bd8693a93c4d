// One module's update in the streaming engine, for layers that form the whole gradient first.
#pragma once

#include <algorithm>

#include "ebp/base/aligned.h"
#include "ebp/nn/module.h"
#include "ebp/online/rule_state.h"

namespace ebp {

template <class T>
class OnlineStep {
 public:
  static constexpr Index kRoom = 16;

  // `start` is the offset of the module's slice of theta. With `running`, SDLM's curvature follows (62).
  OnlineStep(const Module<T>& module, T* theta, Index start, RuleState<T>& state, bool running)
      : module_(module),
        theta_(theta + start),
        state_(state),
        part_(state.part(start, module.n_parameters())),
        gradient_(std::size_t(module.n_parameters() + kRoom)),
        curvature_(std::size_t(running ? module.n_parameters() : 0)) {}

  // The gradient (p) to apply, with room for kRoom more.
  T* gradient() { return gradient_.data(); }

  // Lets h and the factors follow the present sample, whose input is x (i) and whose d2E/dy2 is hy (o); hx
  // (i), may be null, is passed down.
  void take_curvature(const T* x, const T* hy, T* hx) {
    std::fill(curvature_.begin(), curvature_.end(), T(0));
    module_.backward_curvature(1, theta_, x, hy, hx, curvature_.data());
    state_.average_curvature(part_, curvature_.data());
    state_.refresh_factors(part_);
  }

  void apply() { state_.apply(part_, gradient_.data(), theta_); }

 private:
  const Module<T>& module_;
  T* theta_;
  RuleState<T>& state_;
  typename RuleState<T>::Part part_;
  AlignedVector<T> gradient_, curvature_;
};

}  // namespace ebp

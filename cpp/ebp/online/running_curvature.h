// SDLM's curvature in the streaming engine, for layers that leave its pass to their module.
#pragma once

#include <algorithm>

#include "ebp/base/aligned.h"
#include "ebp/nn/module.h"
#include "ebp/online/rule_state.h"

namespace ebp {

template <class T>
class RunningCurvature {
 public:
  // `start` is the offset of the module's slice of theta. Without `running` there is none to take.
  RunningCurvature(const Module<T>& module, const T* theta, Index start, RuleState<T>& state, bool running)
      : module_(module),
        theta_(theta + start),
        state_(state),
        part_(state.part(start, module.n_parameters())),
        curvature_(std::size_t(running ? module.n_parameters() : 0)) {}

  // Lets h and the factors follow the present sample, (62), whose input is x (i) and whose d2E/dy2 is hy (o);
  // hx (i), may be null, is passed down.
  void take(const T* x, const T* hy, T* hx) {
    std::fill(curvature_.begin(), curvature_.end(), T(0));
    module_.backward_curvature(1, theta_, x, hy, hx, curvature_.data());
    state_.average_curvature(part_, curvature_.data());
    state_.refresh_factors(part_);
  }

 private:
  const Module<T>& module_;
  const T* theta_;
  RuleState<T>& state_;
  typename RuleState<T>::Part part_;
  AlignedVector<T> curvature_;
};

}  // namespace ebp

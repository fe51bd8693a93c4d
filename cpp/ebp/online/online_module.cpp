#include <algorithm>

#include "ebp/base/simd.h"
#include "ebp/online/online_layer.h"
#include "ebp/online/running_curvature.h"

namespace ebp {
namespace {

// Learns by the module's own batch passes on one row, and then applies the rule to its slice of theta.
template <class T>
class OnlineModule final : public OnlineLayer<T> {
 public:
  OnlineModule(const Module<T>& module, T* theta, Index start, RuleState<T>& state, bool running)
      : module_(module),
        theta_(theta + start),
        state_(state),
        part_(state.part(start, module.n_parameters())),
        curvature_(module, theta, start, state, running),
        gradient_(std::size_t(module.n_parameters())),
        output_(std::size_t(simd::padded<T>(module.n_outputs()))) {}

  void begin() override {}
  void finish() override {}
  void publish() override {}
  void discard() override {}

  const T* forward(const T* x) override {
    module_.forward(1, theta_, x, output_.data());
    x_ = x;
    return output_.data();
  }

  void backward(const T* e, const T* c, T* e_below, T* c_below) override {
    std::fill(gradient_.begin(), gradient_.end(), T(0));
    module_.backward(1, theta_, x_, e, e_below, gradient_.data());
    if (c) curvature_.take(x_, c, c_below);
    state_.apply(part_, gradient_.data(), theta_);
  }

 private:
  const Module<T>& module_;
  T* theta_;
  RuleState<T>& state_;
  typename RuleState<T>::Part part_;
  RunningCurvature<T> curvature_;
  AlignedVector<T> gradient_, output_;
  const T* x_ = nullptr;  // input of the present sample
};

}  // namespace

template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_module(const Module<T>& module, T* theta, Index start,
                                                   RuleState<T>& state, bool running) {
  return std::make_unique<OnlineModule<T>>(module, theta, start, state, running);
}

template std::unique_ptr<OnlineLayer<float>> make_online_module(const Module<float>&, float*, Index,
                                                                RuleState<float>&, bool);
template std::unique_ptr<OnlineLayer<double>> make_online_module(const Module<double>&, double*, Index,
                                                                 RuleState<double>&, bool);

}  // namespace ebp

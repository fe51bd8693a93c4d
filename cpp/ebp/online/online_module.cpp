#include <algorithm>

#include "ebp/base/simd.h"
#include "ebp/online/online_layer.h"

namespace ebp {
namespace {

// Learns by the module's own batch passes on one row, and then applies the rule to its slice of theta.
template <class T>
class OnlineModule final : public OnlineLayer<T> {
 public:
  OnlineModule(const Module<T>& module, T* theta, Index start, RuleState<T>& state, bool running)
      : module_(module),
        theta_(theta + start),
        step_(module, theta, start, state, running),
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
    std::fill_n(step_.gradient(), module_.n_parameters(), T(0));
    module_.backward(1, theta_, x_, e, e_below, step_.gradient());
    if (c) step_.take_curvature(x_, c, c_below);
    step_.apply();
  }

 private:
  const Module<T>& module_;
  T* theta_;
  OnlineStep<T> step_;
  AlignedVector<T> output_;
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

#include <algorithm>

#include "ebp/base/simd.h"
#include "ebp/online/map_kernels.h"
#include "ebp/online/online_layer.h"

namespace ebp {
namespace {

using simd::kLanes;
using simd::Pack;

// Keeps the input, as the products take it, and the slopes from the forward pass for the backward pass.
template <class T>
class OnlineConv final : public OnlineLayer<T> {
 public:
  OnlineConv(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, T* theta, Index start, RuleState<T>& state,
             bool running)
      : plan_(conv.plan()),
        sigmoid_(sigmoid),
        theta_(theta + start),
        bias_(conv.bias() ? theta_ + conv.n_parameters() - conv.shape().maps_out : nullptr),
        step_(conv, theta, start, state, running),
        table_(std::size_t(plan_.table_size())),
        frame_(std::size_t(plan_.frame_size())),
        columns_(std::size_t(plan_.columns_size())),
        totals_(std::size_t(plan_.totals_size())),
        slopes_(totals_.size()),
        deltas_(std::size_t(plan_.deltas_size())),
        curvatures_(running ? std::size_t(conv.n_outputs() + kLanes<T>) : 0),
        output_(std::size_t(conv.n_outputs() + kLanes<T>)) {}

  void use(Team& team) override { helpers_.use(team, plan_.shape().multiply_adds() >= kShareable); }
  void begin() override {}
  void finish() override {}
  void publish() override {}
  void discard() override {}

  const T* forward(const T* x) override {
    plan_.fill_frame(x, frame_.data());
    plan_.fill_columns(frame_.data(), columns_.data());
    const T* table = plan_.table(theta_, table_.data());
    helpers_.share(plan_.shape().maps_out, 1, [this, table](const Share& maps, int) {
      plan_.product(maps, table, columns_.data(), totals_.data());
      online::activate_maps(maps, plan_.shape().n_positions(), sigmoid_, bias_, totals_.data(),
                            plan_.totals_step(), output_.data(), slopes_.data());
    });
    x_ = x;
    return output_.data();
  }

  void backward(const T* e, const T* c, T* e_below, T* c_below) override {
    online::deltas_of_maps(plan_.shape().maps_out, plan_.shape().n_positions(), slopes_.data(),
                           plan_.totals_step(), e, deltas_.data() + plan_.deltas_start(),
                           plan_.deltas_step());
    T* gradient = step_.gradient();
    helpers_.run([=, this](int part) {
      const Share inputs(plan_.shape().maps_in, part, helpers_.size());
      const Share outputs(plan_.shape().maps_out, part, helpers_.size());
      plan_.correlate(outputs, deltas_.data(), columns_.data(), false, gradient);
      if (bias_) sum_deltas(outputs, gradient + (bias_ - theta_));
      if (e_below) plan_.transposed_product(inputs, theta_, deltas_.data(), frame_.data());
    });
    if (e_below) plan_.fold_frame(frame_.data(), false, e_below);
    if (c) {
      take_curvature(c);
      step_.take_curvature(x_, curvatures_.data(), c_below);
    }
    step_.apply();
  }

 private:
  // f'^2 c: (54)
  void take_curvature(const T* c) {
    const Index units = plan_.shape().n_positions();
    for (Index o = 0; o < plan_.shape().maps_out; ++o) {
      const T *slopes = slopes_.data() + o * plan_.totals_step(), *from = c + o * units;
      T* to = curvatures_.data() + o * units;
      simd::for_lanes<T>(units, [&](Index k, auto lanes) {
        const Pack<T> slope = simd::load(slopes + k);
        simd::store(to + k, slope * slope * lanes.load(from + k));
      });
    }
  }

  void sum_deltas(const Share& maps, T* sums) const {
    for (Index o = maps.begin; o < maps.end; ++o)
      sums[o] = online::sum_of_deltas(plan_.shape().n_positions(),
                                      deltas_.data() + plan_.deltas_start() + o * plan_.deltas_step());
  }

  const ConvPlan<T>& plan_;
  Sigmoid<T> sigmoid_;
  T* theta_;
  const T* bias_;  // null without
  OnlineStep<T> step_;
  Helpers helpers_;
  AlignedVector<T> table_, frame_, columns_, totals_, slopes_, deltas_, curvatures_, output_;
  const T* x_ = nullptr;  // input of the present sample
};

}  // namespace

template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_conv(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, T* theta,
                                                 Index start, RuleState<T>& state, bool running) {
  return std::make_unique<OnlineConv<T>>(conv, sigmoid, theta, start, state, running);
}

template std::unique_ptr<OnlineLayer<float>> make_online_conv(const Conv2D<float>&, const Sigmoid<float>&,
                                                              float*, Index, RuleState<float>&, bool);
template std::unique_ptr<OnlineLayer<double>> make_online_conv(const Conv2D<double>&, const Sigmoid<double>&,
                                                               double*, Index, RuleState<double>&, bool);

}  // namespace ebp

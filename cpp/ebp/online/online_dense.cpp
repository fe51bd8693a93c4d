#include <algorithm>
#include <utility>

#include "ebp/online/dense_kernels.h"
#include "ebp/online/online_layer.h"

namespace ebp {
namespace {

using simd::Pack;

// The first layer's update is put off until its next forward pass, so that one sweep over the weights serves
// both: it is the layer that passes nothing down, and usually the one with most of the weights.
template <class T, class Rule, bool kMomentum>
class OnlineDense final : public OnlineLayer<T> {
 public:
  OnlineDense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta, Index start, RuleState<T>& state,
              bool running)
      : sigmoid_(sigmoid), state_(state), units_run_(running && state.options.unit_rates()) {
    const auto slice = [start](AlignedVector<T>& vector) {
      return vector.empty() ? nullptr : vector.data() + start;
    };
    const std::size_t outputs = std::size_t(simd::padded<T>(size.n_outputs));
    for (auto* vector : {&output_, &slope_, &delta_, &hy_, &unit_rates_, &unit_curvature_})
      vector->resize(outputs);
    sweep_ = {size.n_inputs,
              size.n_outputs,
              theta + start,
              slice(state.velocity),
              slice(state.rates),
              slice(state.curvature),
              size.bias,
              delta_.data(),
              hy_.data(),
              unit_rates_.data(),
              0,
              0,
              0,
              0,
              0};
  }

  void begin() override {
    const RuleOptions& options = state_.options;
    sweep_.momentum = T(options.momentum);
    sweep_.decay = T(options.weight_decay);
    sweep_.epsilon = T(options.learning_rate);
    if (const SdlmOptions* sdlm = options.sdlm()) {
      sweep_.mu = T(sdlm->mu);
      sweep_.gamma = T(sdlm->gamma);
    }
    for (Index j = 0; options.unit_rates() && j < sweep_.n_outputs; ++j) {
      unit_rates_[std::size_t(j)] = sweep_.rates[j * sweep_.n_inputs];
      if (units_run_) unit_curvature_[std::size_t(j)] = sweep_.curvature[j * sweep_.n_inputs];
    }
  }

  void finish() override {
    if (!pending_) return;
    online::backward<Update, false, false>(sweep_, pending_, static_cast<T*>(nullptr),
                                           static_cast<T*>(nullptr));
    online::update_bias<Rule, kMomentum>(sweep_);
    pending_ = nullptr;
  }

  void publish() override {
    if (!units_run_) return;
    const Index i = sweep_.n_inputs, o = sweep_.n_outputs;
    for (Index j = 0; j < o; ++j) std::fill_n(sweep_.curvature + j * i, i, unit_curvature_[std::size_t(j)]);
    if (sweep_.has_bias) std::copy_n(unit_curvature_.data(), o, sweep_.curvature + o * i);
  }

  void discard() override { pending_ = nullptr; }

  const T* forward(const T* x) override {
    T *outputs = output_.data(), *slopes = slope_.data();
    const T* bias = sweep_.has_bias ? sweep_.weights + sweep_.n_outputs * sweep_.n_inputs : nullptr;
    const Sigmoid<T> sigmoid = sigmoid_;
    const auto activate = [=](Index j, Pack<T> total, auto lanes) {
      if (bias) total += lanes.load(bias + j);
      Pack<T> value, slope;
      sigmoid.value_and_slope(total, value, slope);
      simd::store(outputs + j, value);
      simd::store(slopes + j, slope);
    };
    if (pending_) {
      online::update_bias<Rule, kMomentum>(sweep_);
      online::products<Update>(sweep_, pending_, x, activate);
      pending_ = nullptr;
    } else {
      online::products<online::NoUpdate<T>>(sweep_, x, x, activate);
    }
    x_ = x;
    return outputs;
  }

  void backward(const T* e, const T* c, T* e_below, T* c_below) override {
    take_error(e, c);
    if (units_run_) refresh_unit_rates();
    if (!e_below) {
      pending_ = x_;
      return;
    }
    if (c)
      online::backward<Update, true, true>(sweep_, x_, e_below, c_below);
    else
      online::backward<Update, true, false>(sweep_, x_, e_below, c_below);
    online::update_bias<Rule, kMomentum>(sweep_);
  }

 private:
  using Update = online::RowUpdate<T, Rule, kMomentum>;

  // delta = f' e and hy = f'^2 c: (4) and (54)
  void take_error(const T* e, const T* c) {
    const T* slopes = slope_.data();
    T *delta = delta_.data(), *hy = hy_.data();
    for (Index j = 0; j < sweep_.n_outputs; j += simd::kLanes<T>) {
      const Pack<T> slope = simd::load(slopes + j);
      simd::store(delta + j, slope * simd::load(e + j));
      if (c) simd::store(hy + j, slope * slope * simd::load(c + j));
    }
  }

  // (62) and (61) for the mean over a unit's weights and bias, hy (sum of squared inputs + 1) / count
  void refresh_unit_rates() {
    Pack<T> squares{};
    const T* x = x_;
    simd::for_lanes<T>(sweep_.n_inputs, [&](Index i, auto lanes) {
      const Pack<T> input = lanes.load(x + i);
      squares += input * input;
    });
    const T bias = sweep_.has_bias ? T(1) : T(0);
    const T mean_square = (simd::sum<T>(squares) + bias) / (T(sweep_.n_inputs) + bias);
    for (std::size_t j = 0; j < hy_.size(); ++j) {
      unit_curvature_[j] = (1 - sweep_.gamma) * unit_curvature_[j] + sweep_.gamma * (hy_[j] * mean_square);
      unit_rates_[j] = sweep_.epsilon / (unit_curvature_[j] + sweep_.mu);
    }
  }

  Sigmoid<T> sigmoid_;
  RuleState<T>& state_;
  online::Sweep<T> sweep_;
  AlignedVector<T> output_, slope_, delta_, hy_, unit_rates_, unit_curvature_;
  const T* x_ = nullptr;        // input of the present sample
  const T* pending_ = nullptr;  // input of the sample whose update was put off
  bool units_run_;              // a unit's mean curvature follows (62)
};

}  // namespace

template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_dense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta,
                                                  Index start, RuleState<T>& state, bool running) {
  const auto make = [&]<class Rule>() -> std::unique_ptr<OnlineLayer<T>> {
    if (state.options.momentum != 0)
      return std::make_unique<OnlineDense<T, Rule, true>>(size, sigmoid, theta, start, state, running);
    return std::make_unique<OnlineDense<T, Rule, false>>(size, sigmoid, theta, start, state, running);
  };
  const auto choose = [&]<bool kDecay>() {
    if (state.options.unit_rates()) return make.template operator()<online::UnitRate<T, kDecay>>();
    if (running) return make.template operator()<online::RunningRate<T, kDecay>>();
    return make.template operator()<online::WeightRate<T, kDecay>>();
  };
  return state.options.weight_decay != 0 ? choose.template operator()<true>()
                                         : choose.template operator()<false>();
}

template std::unique_ptr<OnlineLayer<float>> make_online_dense(const DenseSize&, const Sigmoid<float>&,
                                                               float*, Index, RuleState<float>&, bool);
template std::unique_ptr<OnlineLayer<double>> make_online_dense(const DenseSize&, const Sigmoid<double>&,
                                                                double*, Index, RuleState<double>&, bool);

}  // namespace ebp

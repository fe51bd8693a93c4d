#include <algorithm>
#include <utility>

#include "ebp/online/dense_kernels.h"
#include "ebp/online/online_layer.h"
#include "ebp/online/row_parts.h"

namespace ebp {
namespace {

using online::Motion;
using simd::Pack;

// The first layer's update is put off until its next forward pass, so that one sweep over the weights serves
// both: it is the layer that passes nothing down, and usually the one with most of the weights.
template <class T, class Rule, Motion kMotion>
class OnlineDense final : public OnlineLayer<T> {
 public:
  OnlineDense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta, Index start, RuleState<T>& state,
              bool running)
      : sigmoid_(sigmoid),
        state_(state),
        centred_(state.centred_at(start)),
        centred_input_(std::size_t(centred_ ? size.n_inputs : 0)),
        units_run_(running && state.options.unit_rates()),
        immediate_(std::holds_alternative<MurataOptions>(state.options.method)) {
    const std::size_t outputs = std::size_t(simd::padded<T>(size.n_outputs));
    for (auto* vector : {&output_, &slope_, &delta_, &hy_, &unit_factors_, &unit_steps_, &unit_curvature_})
      vector->resize(outputs);
    sweep_ = {size.n_inputs,     size.n_outputs,    theta + start, state.memory().from(start),
              size.bias,         delta_.data(),     hy_.data(),    unit_factors_.data(),
              state.constants(), unit_steps_.data()};
  }

  bool use(Team& team) override { return parts_.use(team, sweep_, 2); }

  void begin() override {
    const Index i = sweep_.n_inputs;
    for (Index j = 0; state_.options.unit_rates() && j < sweep_.n_outputs; ++j) {
      unit_factors_[std::size_t(j)] = sweep_.memory.first[j * i];
      if (units_run_) unit_curvature_[std::size_t(j)] = sweep_.memory.curvature[j * i];
    }
  }

  void finish() override {
    if (!pending_) return;
    parts_.each(sweep_, [this](const online::Sweep<T>& rows, Index, int) {
      online::backward<Update, false, false>(rows, pending_, static_cast<T*>(nullptr),
                                             static_cast<T*>(nullptr));
    });
    online::update_bias<Rule, kMotion>(sweep_);
    pending_ = nullptr;
  }

  void publish() override {
    if (!units_run_) return;
    const Index i = sweep_.n_inputs, o = sweep_.n_outputs;
    T* const h = sweep_.memory.curvature;
    for (Index j = 0; j < o; ++j) std::fill_n(h + j * i, i, unit_curvature_[std::size_t(j)]);
    if (sweep_.has_bias) std::copy_n(unit_curvature_.data(), o, h + o * i);
  }

  void discard() override { pending_ = nullptr; }

  const T* forward(const T* x) override {
    if (pending_) online::update_bias<Rule, kMotion>(sweep_);
    const T* bias = sweep_.bias();
    parts_.each(sweep_, [this, x, bias](const online::Sweep<T>& rows, Index first, int) {
      const online::Activate<T> emit{sigmoid_, bias, output_.data(), slope_.data(), first};
      if (pending_)
        online::products<Update>(rows, pending_, x, emit);
      else
        online::products<online::NoUpdate<T>>(rows, x, x, emit);
    });
    pending_ = nullptr;
    x_ = x;
    return output_.data();
  }

  void backward(const T* e, const T* c, T* e_below, T* c_below) override {
    take_error(e, c);
    take_constants();
    seen_ = centred_ ? centred_input() : x_;
    if (units_run_) refresh_unit_factors();
    if constexpr (Rule::kOneRate) form_steps();
    if (!e_below) {
      pending_ = x_;
      if (immediate_) finish();
      return;
    }
    if (centred_) centred_->add_to_bias(T(1), sweep_.weights);
    parts_.each(sweep_, [&](const online::Sweep<T>& rows, Index, int part) {
      T *e_part = parts_.below(part, 0, e_below), *c_part = parts_.below(part, 1, c_below);
      if (rows.n_outputs == 0) {
        parts_.pass_nothing(e_part);
        if (c) parts_.pass_nothing(c_part);
        return;
      }
      if (Rule::kRuns && c)
        online::backward<Update, true, Rule::kRuns>(rows, seen_, e_part, c_part);
      else
        online::backward<Update, true, false>(rows, seen_, e_part, c_part);
    });
    parts_.add_others(0, e_below);
    if (c) parts_.add_others(1, c_below);
    online::update_bias<Rule, kMotion>(sweep_);
    if (!centred_) return;
    centred_->add_to_bias(T(-1), sweep_.weights);
    centred_->follow(x_, T(state_.options.centring_leak));
  }

 private:
  using Update = online::RowUpdate<T, Rule, kMotion>;

  // delta = f' e and hy = f'^2 c: (4) and (54)
  void take_error(const T* e, const T* c) {
    const T* slopes = slope_.data();
    online::form_deltas(sweep_.n_outputs, slopes, e, delta_.data());
    T* hy = hy_.data();
    for (Index j = 0; c && j < sweep_.n_outputs; j += simd::kLanes<T>) {
      const Pack<T> slope = simd::load(slopes + j);
      simd::store(hy + j, slope * slope * simd::load(c + j));
    }
  }

  // A bias's change is the step of a weight whose input is 1.
  void form_steps() {
    for (Index j = 0; j < sweep_.n_outputs; j += simd::kLanes<T>)
      simd::store(unit_steps_.data() + j, Rule::bias_change(sweep_, j, simd::AllLanes<T>{}));
  }

  // x - m
  const T* centred_input() {
    const T *x = x_, *mean = centred_->mean.data();
    T* to = centred_input_.data();
    simd::for_lanes<T>(sweep_.n_inputs, [=](Index i, auto lanes) {
      lanes.store(to + i, lanes.load(x + i) - lanes.load(mean + i));
    });
    return to;
  }

  // Of the present sample: where the update is put off, they may be others by then.
  void take_constants() {
    if (version_ == state_.version()) return;
    sweep_.constants = state_.constants();
    version_ = state_.version();
  }

  // (62) and (61) for the mean over a unit's weights and bias, hy (sum of squared inputs + 1) / count
  void refresh_unit_factors() {
    Pack<T> squares{};
    const T* x = seen_;
    simd::for_lanes<T>(sweep_.n_inputs, [&](Index i, auto lanes) {
      const Pack<T> input = lanes.load(x + i);
      squares += input * input;
    });
    const T bias = sweep_.has_bias ? T(1) : T(0);
    const T gamma = sweep_.constants.leak, mu = sweep_.constants.mu;
    const T mean_square = (simd::sum<T>(squares) + bias) / (T(sweep_.n_inputs) + bias);
    for (std::size_t j = 0; j < hy_.size(); ++j) {
      unit_curvature_[j] = (1 - gamma) * unit_curvature_[j] + gamma * (hy_[j] * mean_square);
      unit_factors_[j] = T(1) / (unit_curvature_[j] + mu);
    }
  }

  Sigmoid<T> sigmoid_;
  RuleState<T>& state_;
  RowParts<T> parts_;
  online::Sweep<T> sweep_;
  AlignedVector<T> output_, slope_, delta_, hy_, unit_factors_, unit_steps_, unit_curvature_;
  Centred<T>* centred_;  // null unless the layer's inputs are centred
  AlignedVector<T> centred_input_;
  const T* x_ = nullptr;        // input of the present sample
  const T* seen_ = nullptr;     // what the weights learn from: the input, less its mean if it is centred
  const T* pending_ = nullptr;  // input of the sample whose update was put off
  Index version_ = -1;          // of the constants
  bool units_run_;              // a unit's mean curvature follows (62)
  bool immediate_;              // the next update's rate depends on this one
};

}  // namespace

template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_dense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta,
                                                  Index start, RuleState<T>& state, bool running) {
  const RuleOptions& options = state.options;
  const bool decays = options.weight_decay != 0;
  const auto make = [&]<class Rule, Motion kMotion>() -> std::unique_ptr<OnlineLayer<T>> {
    return std::make_unique<OnlineDense<T, Rule, kMotion>>(size, sigmoid, theta, start, state, running);
  };
  // Rule without and with decay. Few use other forms of momentum than the heavy ball: they do without an
  // instance for no decay.
  const auto plain = [&]<class Rule, class Decaying>() {
    if (options.momentum == 0)
      return decays ? make.template operator()<Decaying, Motion::kDirect>()
                    : make.template operator()<Rule, Motion::kDirect>();
    if (options.momentum_form != Momentum::kHeavyBall)
      return make.template operator()<Decaying, Motion::kGeneral>();
    return decays ? make.template operator()<Decaying, Motion::kHeavyBall>()
                  : make.template operator()<Rule, Motion::kHeavyBall>();
  };
  // These have more to compute than the decay and the form of the momentum cost.
  const auto elaborate = [&]<class Rule>() {
    return options.momentum == 0 ? make.template operator()<Rule, Motion::kDirect>()
                                 : make.template operator()<Rule, Motion::kGeneral>();
  };
  if (options.unit_rates())
    return plain.template operator()<online::UnitRate<T, false>, online::UnitRate<T, true>>();
  if (running) return elaborate.template operator()<online::RunningRate<T>>();
  return online::with_method<T>(options, [&]<class Method>() {
    using Decaying = online::WeightRate<T, Method, true>;
    if constexpr (Decaying::kPlain)
      return plain.template operator()<online::WeightRate<T, Method, false>, Decaying>();
    else
      return elaborate.template operator()<Decaying>();
  });
}

template std::unique_ptr<OnlineLayer<float>> make_online_dense(const DenseSize&, const Sigmoid<float>&,
                                                               float*, Index, RuleState<float>&, bool);
template std::unique_ptr<OnlineLayer<double>> make_online_dense(const DenseSize&, const Sigmoid<double>&,
                                                                double*, Index, RuleState<double>&, bool);

}  // namespace ebp

#include "ebp/online/rule_state.h"

#include <algorithm>
#include <cmath>

#include "ebp/base/simd.h"

namespace ebp {
namespace {

double factor_of(Scale scale, double connections) {
  switch (scale) {
    case Scale::kFanIn:
      return 1 / std::sqrt(connections);
    case Scale::kLiteral:
      return std::sqrt(connections);
    default:
      return 1;
  }
}

template <class T>
T* data_or_null(AlignedVector<T>& vector) {
  return vector.empty() ? nullptr : vector.data();
}

}  // namespace

template <class T>
RuleState<T>::RuleState(const Network<T>& network, const RuleOptions& rule)
    : options(rule),
      blocks_(network.parameter_blocks()),
      n_parameters_(network.n_parameters()),
      learning_rate_(rule.learning_rate) {
  const std::size_t p = std::size_t(n_parameters_);
  const auto& method = options.method;
  if (options.momentum != 0) velocity_.resize(p);
  if (options.sdlm()) curvature.resize(p);
  first_.resize(p);
  if (std::holds_alternative<AdamOptions>(method) || std::holds_alternative<RpropOptions>(method) ||
      std::holds_alternative<DeltaBarDeltaOptions>(method))
    second_.resize(p);
  reset();
}

template <class T>
typename RuleState<T>::Part RuleState<T>::part(Index start, Index size) const {
  const auto begins_at = [this](Index at) {
    return std::size_t(
        std::count_if(blocks_.begin(), blocks_.end(), [at](const auto& block) { return block.start < at; }));
  };
  return {start, size, begins_at(start), begins_at(start + size)};
}

template <class T>
online::Memory<T> RuleState<T>::memory() {
  return {data_or_null(velocity_), data_or_null(curvature), first_.data(), data_or_null(second_)};
}

template <class T>
void RuleState<T>::set_learning_rate(double learning_rate) {
  if (learning_rate == learning_rate_) return;
  learning_rate_ = learning_rate;
  set_constants();
}

template <class T>
void RuleState<T>::begin_update() {
  const auto* adam = std::get_if<AdamOptions>(&options.method);
  if (!adam) return;
  first_share_ *= 1 - adam->leak;
  second_share_ *= 1 - adam->second_leak;
  set_constants();
}

template <class T>
void RuleState<T>::end_update() {
  const auto* murata = std::get_if<MurataOptions>(&options.method);
  if (!murata) return;
  simd::Pack<T> squares{};
  const T* r = first_.data();
  simd::for_lanes<T>(n_parameters_, [&](Index k, auto lanes) {
    const simd::Pack<T> value = lanes.load(r + k);
    squares += value * value;
  });
  const double length = std::sqrt(double(simd::sum<T>(squares)));
  eta_ += murata->alpha * eta_ * (murata->beta * length - eta_);
  eta_ = std::clamp(eta_, murata->smallest, murata->largest);
  set_constants();
}

template <class T>
void RuleState<T>::set_constants() {
  online::Constants<T>& c = constants_;
  ++version_;
  c.epsilon = T(learning_rate_);
  c.decay = T(options.weight_decay);
  const bool averaged = options.momentum_form == Momentum::kAveraged;
  const bool ahead = options.momentum_form == Momentum::kNesterov;
  c.momentum = T(options.momentum);
  c.gain = averaged ? T(1 - options.momentum) : T(1);
  c.through = ahead ? T(options.momentum) : T(1);
  c.past = ahead ? T(1) : T(0);
  if (const SdlmOptions* sdlm = options.sdlm()) {
    c.mu = T(sdlm->mu);
    c.leak = T(sdlm->gamma);
  } else if (const auto* murata = std::get_if<MurataOptions>(&options.method)) {
    c.epsilon = T(learning_rate_ / options.learning_rate * eta_);
    c.leak = T(murata->delta);
  } else if (const auto* adagrad = std::get_if<AdaGradOptions>(&options.method)) {
    c.floor = T(adagrad->floor);
  } else if (const auto* rmsprop = std::get_if<RmsPropOptions>(&options.method)) {
    c.leak = T(rmsprop->leak);
    c.floor = T(rmsprop->floor);
  } else if (const auto* adam = std::get_if<AdamOptions>(&options.method)) {
    c.leak = T(adam->leak);
    c.second_leak = T(adam->second_leak);
    c.correction = first_share_ < 1 ? T(1 / (1 - first_share_)) : T(1);
    c.second_correction = second_share_ < 1 ? T(1 / std::sqrt(1 - second_share_)) : T(1);
    c.floor = T(adam->floor);
  } else if (const auto* rprop = std::get_if<RpropOptions>(&options.method)) {
    c.increase = T(rprop->increase);
    c.decrease = T(rprop->decrease);
    c.smallest = T(rprop->smallest);
    c.largest = T(rprop->largest);
  } else if (const auto* bar = std::get_if<DeltaBarDeltaOptions>(&options.method)) {
    c.increase = T(bar->increase);
    c.decrease = T(bar->decrease);
    c.leak = T(bar->leak);
    c.largest = T(bar->largest);
  }
}

template <class T>
void RuleState<T>::set_curvature(const T* h) {
  std::copy_n(h, curvature.size(), curvature.data());
  share_within_units(whole(), curvature.data());
  measured = true;
  refresh_factors();
}

template <class T>
void RuleState<T>::average_curvature(const Part& part, T* mean) {
  share_within_units(part, mean);
  const T gamma = constants_.leak;
  T* h = curvature.data() + part.start;
  for (Index k = 0; k < part.size; ++k) h[k] = (1 - gamma) * h[k] + gamma * mean[k];
}

template <class T>
void RuleState<T>::share_within_units(const Part& part, T* values) const {
  if (!options.sdlm()->per_unit) return;
  for (std::size_t b = part.first_block; b < part.last_block; ++b) {
    const ParameterBlock& weights = blocks_[b];
    if (weights.role == Role::kBias) continue;
    // The bias of the same module, if any, is the next block.
    const bool has_bias = b + 1 < part.last_block && blocks_[b + 1].role == Role::kBias;
    T* bias = has_bias ? values + (blocks_[b + 1].start - part.start) : nullptr;
    T* row = values + (weights.start - part.start);
    for (std::size_t unit = 0; unit < weights.unit_sizes.size(); ++unit) {
      const Index width = weights.unit_sizes[unit];
      T sum = bias ? bias[unit] : T(0);
      for (Index k = 0; k < width; ++k) sum += row[k];
      const T mean = sum / T(width + (bias ? 1 : 0));
      std::fill_n(row, width, mean);
      if (bias) bias[unit] = mean;
      row += width;
    }
  }
}

template <class T>
void RuleState<T>::refresh_factors(const Part& part) {
  const SdlmOptions* sdlm = options.sdlm();
  if (!sdlm) return;
  T* factors = first_.data();
  const T *h = curvature.data(), mu = constants_.mu;
  for (Index k = part.start; k < part.start + part.size; ++k) factors[k] = T(1) / (h[k] + mu);
}

template <class T>
void RuleState<T>::apply(const Part& part, const T* g, T* theta) {
  const online::Constants<T> c = constants_;
  const online::Memory<T> all = memory();
  online::with_method<T>(options, [&]<class Method>() {
    const T scale = Method::kLinear ? c.epsilon : T(1);
    for (std::size_t b = part.first_block; b < part.last_block; ++b) {
      const ParameterBlock& block = blocks_[b];
      const T decay = block.role == Role::kWeight ? c.decay : T(0);
      const Index offset = block.start - part.start;
      const online::Memory<T> memory = all.from(block.start);
      const Method method(c, memory);
      const T* gradient = g + offset;
      T *w = theta + offset, *v = memory.velocity;
      simd::for_lanes<T>(block.size(), [=](Index k, auto lanes) {
        const simd::Pack<T> weights = lanes.load(w + k);
        const simd::Pack<T> change =
            method.change(scale * (lanes.load(gradient + k) + decay * weights), k, lanes);
        if (!v) {
          lanes.store(w + k, weights - change);
          return;
        }
        const simd::Pack<T> velocity = c.momentum * lanes.load(v + k) - c.gain * change;
        lanes.store(v + k, velocity);
        lanes.store(w + k, weights + (c.through * velocity - c.past * change));
      });
    }
  });
}

template <class T>
void RuleState<T>::rates(T* rates) {
  online::with_method<T>(options, [&]<class Method>() {
    const T scale = Method::kLinear ? constants_.epsilon : T(1);
    const Method method(constants_, memory());
    simd::for_lanes<T>(n_parameters_,
                       [=](Index k, auto lanes) { lanes.store(rates + k, scale * method.rate(k, lanes)); });
  });
}

template <class T>
void RuleState<T>::reset() {
  for (auto* vector : {&velocity_, &curvature, &first_, &second_})
    std::fill(vector->begin(), vector->end(), T(0));
  measured = false;
  eta_ = options.learning_rate;
  first_share_ = second_share_ = 1;
  set_constants();
  const auto start_at = [this](double value) { std::fill(first_.begin(), first_.end(), T(value)); };
  if (const auto* sgd = std::get_if<SgdOptions>(&options.method)) {
    for (const ParameterBlock& block : blocks_) {
      T* to = first_.data() + block.start;
      for (std::size_t unit = 0; unit < block.unit_sizes.size(); to += block.unit_sizes[unit++])
        std::fill_n(to, block.unit_sizes[unit],
                    T(factor_of(sgd->scale, double(block.fan_ins[unit] * block.shares))));
    }
  } else if (const auto* adagrad = std::get_if<AdaGradOptions>(&options.method)) {
    start_at(adagrad->initial);
  } else if (std::holds_alternative<RpropOptions>(options.method) ||
             std::holds_alternative<DeltaBarDeltaOptions>(options.method)) {
    start_at(1);
  }
  refresh_factors();
}

template <class T>
bool RuleState<T>::finite() const {
  for (const auto* vector : {&velocity_, &curvature, &first_, &second_})
    if (!simd::all_finite(vector->data(), Index(vector->size()))) return false;
  return true;
}

template class RuleState<float>;
template class RuleState<double>;

}  // namespace ebp

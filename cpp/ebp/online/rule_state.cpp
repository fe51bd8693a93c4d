#include "ebp/online/rule_state.h"

#include <algorithm>
#include <cmath>

#include "ebp/base/simd.h"
#include "ebp/nn/conv.h"
#include "ebp/nn/dense.h"
#include "ebp/online/dense_kernels.h"

namespace ebp {
namespace {

// The layers that can be centred: a bias has to take up what the mean did.
template <class T>
std::vector<Centred<T>> hidden_dense_layers(const Network<T>& network) {
  std::vector<Centred<T>> layers;
  for (std::size_t s = 0; s < network.stages().size(); ++s) {
    const Module<T>& module = *network.stages()[s].module;
    const Index start = network.stages()[s].start;
    const auto* dense = dynamic_cast<const Dense<T>*>(&module);
    const auto* conv = dynamic_cast<const Conv2D<T>*>(&module);
    const bool suits = (dense && dense->bias()) || (conv && conv->shape().is_dense() && conv->bias());
    if (suits && start > 0)
      layers.push_back({s, start, module.n_inputs(), module.n_outputs(),
                        AlignedVector<T>(std::size_t(module.n_inputs()))});
  }
  return layers;
}

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
  if (options.centring_leak > 0) centred = hidden_dense_layers(network);
  if (options.momentum != 0) velocity_.resize(p);
  if (options.sdlm()) curvature.resize(p);
  first_.resize(p);
  if (std::holds_alternative<AdamOptions>(method) || std::holds_alternative<RpropOptions>(method) ||
      std::holds_alternative<DeltaBarDeltaOptions>(method))
    second_.resize(p);
  reset();
}

template <class T>
void Centred<T>::follow(const T* x, T leak) {
  T* m = mean.data();
  simd::for_lanes<T>(n_inputs, [=](Index k, auto lanes) {
    const simd::Pack<T> value = lanes.load(m + k);
    lanes.store(m + k, value + leak * (lanes.load(x + k) - value));
  });
}

template <class T>
void Centred<T>::add_to_bias(T sign, T* parameters) const {
  online::Sweep<T> layer{};
  layer.n_inputs = n_inputs;
  layer.n_outputs = n_outputs;
  layer.weights = parameters;
  T* const bias = parameters + layer.bias_start();
  online::products<online::NoUpdate<T>>(layer, mean.data(), mean.data(),
                                        [=](Index j, simd::Pack<T> total, auto lanes) {
                                          lanes.store(bias + j, lanes.load(bias + j) + sign * total);
                                        });
}

template <class T>
Centred<T>* RuleState<T>::centred_at(Index start) {
  for (auto& layer : centred)
    if (layer.start == start) return &layer;
  return nullptr;
}

template <class T>
typename RuleState<T>::Part RuleState<T>::part(Index start, Index size) const {
  const auto before = [this](auto&& is_before) {
    return std::size_t(std::count_if(blocks_.begin(), blocks_.end(), is_before));
  };
  return {start, size, before([=](const auto& block) { return block.start + block.size() <= start; }),
          before([=](const auto& block) { return block.start < start + size; })};
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
void RuleState<T>::count() {
  const auto& adam = std::get<AdamOptions>(options.method);
  first_share_ *= 1 - adam.leak;
  second_share_ *= 1 - adam.second_leak;
  set_constants();
}

template <class T>
void RuleState<T>::follow() {
  const auto& murata = std::get<MurataOptions>(options.method);
  simd::Pack<T> squares{};
  const T* r = first_.data();
  simd::for_lanes<T>(n_parameters_, [&](Index k, auto lanes) {
    const simd::Pack<T> value = lanes.load(r + k);
    squares += value * value;
  });
  const double length = std::sqrt(double(simd::sum<T>(squares)));
  eta_ += murata.alpha * eta_ * (murata.beta * length - eta_);
  eta_ = std::clamp(eta_, murata.smallest, murata.largest);
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
  c.inertia = {T(options.momentum), averaged ? T(1 - options.momentum) : T(1),
               ahead ? T(options.momentum) : T(1), ahead ? T(1) : T(0)};
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
void RuleState<T>::step(const Part& part, const T* g, T* theta) {
  const online::Constants<T> c = constants_;
  const online::Memory<T> all = memory();
  online::with_method<T>(options, [&]<class Method>() {
    const T scale = Method::kLinear ? c.epsilon : T(1);
    for (std::size_t b = part.first_block; b < part.last_block; ++b) {
      const ParameterBlock& block = blocks_[b];
      const T decay = block.role == Role::kWeight ? c.decay : T(0);
      const Index begin = std::max(block.start, part.start),
                  end = std::min(block.start + block.size(), part.start + part.size);
      const Method method(c, all, begin);
      const T* gradient = g + (begin - part.start);
      T *w = theta + (begin - part.start), *v = all.velocity ? all.velocity + begin : nullptr;
      simd::for_lanes<T>(end - begin, [=](Index k, auto lanes) {
        const simd::Pack<T> weights = lanes.load(w + k);
        const simd::Pack<T> change =
            method.change(scale * (lanes.load(gradient + k) + decay * weights), k, lanes);
        lanes.store(w + k,
                    v ? weights + c.inertia.template step<false>(change, v + k, lanes) : weights - change);
      });
    }
  });
}

template <class T>
void RuleState<T>::apply(const Part& part, const T* g, T* theta) {
  const auto add_to_biases = [&](T sign) {
    for (const Centred<T>& layer : centred)
      if (layer.start >= part.start && layer.start < part.start + part.size)
        layer.add_to_bias(sign, theta + (layer.start - part.start));
  };
  add_to_biases(T(1));
  step(part, g, theta);
  add_to_biases(T(-1));
}

template <class T>
void RuleState<T>::rates(T* rates) {
  online::with_method<T>(options, [&]<class Method>() {
    const T scale = Method::kLinear ? constants_.epsilon : T(1);
    const Method method(constants_, memory(), 0);
    simd::for_lanes<T>(n_parameters_,
                       [=](Index k, auto lanes) { lanes.store(rates + k, scale * method.rate(k, lanes)); });
  });
}

template <class T>
void RuleState<T>::reset() {
  for (auto* vector : {&velocity_, &curvature, &first_, &second_})
    std::fill(vector->begin(), vector->end(), T(0));
  for (auto& layer : centred) std::fill(layer.mean.begin(), layer.mean.end(), T(0));
  measured = centres_known = false;
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
typename RuleState<T>::Memo RuleState<T>::memo() const {
  AlignedVector<T> means;
  for (const auto& layer : centred) means.insert(means.end(), layer.mean.begin(), layer.mean.end());
  return {velocity_,     curvature,      first_, second_,      std::move(means), measured,
          centres_known, learning_rate_, eta_,   first_share_, second_share_};
}

template <class T>
void RuleState<T>::resume(const Memo& memo) {
  std::size_t n_means = 0;
  for (const auto& layer : centred) n_means += layer.mean.size();
  const bool fits = memo.velocity.size() == velocity_.size() && memo.curvature.size() == curvature.size() &&
                    memo.first.size() == first_.size() && memo.second.size() == second_.size() &&
                    memo.means.size() == n_means;
  require(fits, "resume", "the state must be that of this rule and network", "vectors of other sizes");
  velocity_ = memo.velocity;
  curvature = memo.curvature;
  first_ = memo.first;
  second_ = memo.second;
  const T* means = memo.means.data();
  for (auto& layer : centred) {
    std::copy_n(means, layer.mean.size(), layer.mean.data());
    means += layer.mean.size();
  }
  measured = memo.measured;
  centres_known = memo.centres_known;
  learning_rate_ = memo.learning_rate;
  eta_ = memo.eta;
  first_share_ = memo.first_share;
  second_share_ = memo.second_share;
  set_constants();
}

template <class T>
bool RuleState<T>::finite() const {
  for (const auto* vector : {&velocity_, &curvature, &first_, &second_})
    if (!simd::all_finite(vector->data(), Index(vector->size()))) return false;
  for (const auto& layer : centred)
    if (!simd::all_finite(layer.mean.data(), layer.n_inputs)) return false;
  return true;
}

template struct Centred<float>;
template struct Centred<double>;
template class RuleState<float>;
template class RuleState<double>;

}  // namespace ebp

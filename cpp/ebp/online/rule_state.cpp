#include "ebp/online/rule_state.h"

#include <algorithm>
#include <cmath>

#include "ebp/base/simd.h"

namespace ebp {

template <class T>
RuleState<T>::RuleState(const Network<T>& network, const RuleOptions& rule)
    : options(rule), rates(std::size_t(network.n_parameters())), blocks_(network.parameter_blocks()) {
  if (options.momentum != 0) velocity.resize(rates.size());
  if (options.sdlm()) curvature.resize(rates.size());
  refresh_rates();
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
void RuleState<T>::set_curvature(const T* h) {
  std::copy_n(h, curvature.size(), curvature.data());
  share_within_units(whole(), curvature.data());
  measured = true;
}

template <class T>
void RuleState<T>::average_curvature(const Part& part, T* mean) {
  share_within_units(part, mean);
  const T gamma = T(options.sdlm()->gamma);
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
void RuleState<T>::refresh_rates(const Part& part) {
  const T epsilon = T(options.learning_rate);
  if (const SdlmOptions* sdlm = options.sdlm()) {
    for (Index k = part.start; k < part.start + part.size; ++k)
      rates[std::size_t(k)] = epsilon / (curvature[std::size_t(k)] + T(sdlm->mu));
    return;
  }
  const bool by_fan_in = std::get<SgdOptions>(options.method).fan_in_scale;
  for (std::size_t b = part.first_block; b < part.last_block; ++b) {
    const ParameterBlock& block = blocks_[b];
    T* to = rates.data() + block.start;
    for (std::size_t unit = 0; unit < block.unit_sizes.size(); to += block.unit_sizes[unit++]) {
      const T connections = T(block.fan_ins[unit] * block.shares);
      std::fill_n(to, block.unit_sizes[unit], by_fan_in ? epsilon / std::sqrt(connections) : epsilon);
    }
  }
}

template <class T>
void RuleState<T>::apply(const Part& part, const T* g, T* theta) {
  const T momentum = T(options.momentum);
  for (std::size_t b = part.first_block; b < part.last_block; ++b) {
    const ParameterBlock& block = blocks_[b];
    const T decay = block.role == Role::kWeight ? T(options.weight_decay) : T(0);
    const Index offset = block.start - part.start;
    const T *rate = rates.data() + block.start, *gradient = g + offset;
    T* w = theta + offset;
    T* v = velocity.empty() ? nullptr : velocity.data() + block.start;
    simd::for_lanes<T>(block.size(), [=](Index k, auto lanes) {
      simd::Pack<T> step = -lanes.load(rate + k) * (lanes.load(gradient + k) + decay * lanes.load(w + k));
      if (v) {
        step += momentum * lanes.load(v + k);
        lanes.store(v + k, step);
      }
      lanes.store(w + k, lanes.load(w + k) + step);
    });
  }
}

template <class T>
void RuleState<T>::reset() {
  std::fill(velocity.begin(), velocity.end(), T(0));
  std::fill(curvature.begin(), curvature.end(), T(0));
  measured = false;
  refresh_rates();
}

template <class T>
bool RuleState<T>::finite() const {
  return simd::all_finite(velocity.data(), Index(velocity.size())) &&
         simd::all_finite(curvature.data(), Index(curvature.size()));
}

template class RuleState<float>;
template class RuleState<double>;

}  // namespace ebp

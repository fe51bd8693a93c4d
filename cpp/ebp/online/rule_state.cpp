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
void RuleState<T>::set_curvature(const T* sum, Index count) {
  for (std::size_t k = 0; k < curvature.size(); ++k) curvature[k] = sum[k] / T(count);
  share_within_units(curvature);
  measured = true;
}

template <class T>
void RuleState<T>::average_curvature(const T* sum, Index count) {
  AlignedVector<T> mean(sum, sum + curvature.size());
  for (T& value : mean) value /= T(count);
  share_within_units(mean);
  const T gamma = T(options.sdlm()->gamma);
  for (std::size_t k = 0; k < curvature.size(); ++k)
    curvature[k] = (1 - gamma) * curvature[k] + gamma * mean[k];
}

template <class T>
void RuleState<T>::share_within_units(AlignedVector<T>& values) const {
  if (!options.sdlm()->per_unit) return;
  for (std::size_t b = 0; b < blocks_.size(); ++b) {
    const ParameterBlock& weights = blocks_[b];
    if (weights.is_bias) continue;
    // The bias of the same module, if any, is the next block.
    const bool has_bias = b + 1 < blocks_.size() && blocks_[b + 1].is_bias;
    T* bias = has_bias ? values.data() + blocks_[b + 1].start : nullptr;
    T* row = values.data() + weights.start;
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
void RuleState<T>::refresh_rates() {
  const T epsilon = T(options.learning_rate);
  if (const SdlmOptions* sdlm = options.sdlm()) {
    for (std::size_t k = 0; k < rates.size(); ++k) rates[k] = epsilon / (curvature[k] + T(sdlm->mu));
    return;
  }
  const bool by_fan_in = std::get<SgdOptions>(options.method).fan_in_scale;
  for (const ParameterBlock& block : blocks_) {
    T* to = rates.data() + block.start;
    for (std::size_t unit = 0; unit < block.unit_sizes.size(); to += block.unit_sizes[unit++]) {
      const T connections = T(block.fan_ins[unit] * block.shares);
      std::fill_n(to, block.unit_sizes[unit], by_fan_in ? epsilon / std::sqrt(connections) : epsilon);
    }
  }
}

template <class T>
void RuleState<T>::apply(const T* g, T* theta) {
  const T momentum = T(options.momentum);
  for (const ParameterBlock& block : blocks_) {
    const T decay = block.is_bias ? T(0) : T(options.weight_decay);
    for (Index k = block.start; k < block.start + block.size(); ++k) {
      T step = -rates[std::size_t(k)] * (g[k] + decay * theta[k]);
      if (!velocity.empty()) {
        step += momentum * velocity[std::size_t(k)];
        velocity[std::size_t(k)] = step;
      }
      theta[k] += step;
    }
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

#include "ebp/curvature/linearization.h"

#include <algorithm>
#include <cmath>

#include "ebp/base/simd.h"

namespace ebp {

template <class T>
Linearization<T>::Linearization(const Network<T>& network, const T* theta, const Batch<T>& batch,
                                bool with_gradients)
    : network_(network), theta_(theta), batch_(batch) {
  const auto& stages = network.stages();
  for (std::size_t s = 0; s < stages.size(); ++s) {
    outputs_.emplace_back(batch.n * stages[s].module->n_outputs());
    stages[s].module->forward(batch.n, theta + stages[s].start, inputs(s), outputs_[s].data());
  }
  if (!with_gradients) return;
  const Index k = network.n_outputs();
  gradients_.resize(stages.size());
  for (std::size_t s = stages.size(); s-- > 0;) {
    // room for the loss to write its last row in whole packs
    gradients_[s].resize(std::size_t(batch.n * stages[s].module->n_outputs() + simd::kLanes<T>));
    T* g = gradients_[s].data();
    if (s + 1 < stages.size()) {
      const auto& above = stages[s + 1];
      above.module->backward(batch.n, theta + above.start, inputs(s + 1), gradients(s + 1), g, nullptr);
      continue;
    }
    const T* y = inputs(s + 1);
    for (Index row = 0; row < batch.n; ++row, g += k) {
      network.loss().gradient(k, y + row * k, batch.t + row * k, g);
      for (Index output = 0; batch.weights && output < k; ++output) g[output] *= batch.weights[row];
    }
  }
}

template <class T>
Index Linearization<T>::row_bytes(const Network<T>& network) {
  Index values = 0;
  for (const auto& stage : network.stages()) values += 2 * stage.module->n_outputs();
  return values * Index(sizeof(T));
}

template <class T>
void Linearization<T>::curvature_product(const T* dy, T* seed) const {
  const Index k = network_.n_outputs();
  const T* y = inputs(outputs_.size());
  for (Index row = 0; row < batch_.n; ++row, seed += k) {
    network_.loss().curvature_product(k, y + row * k, batch_.t + row * k, dy + row * k, seed);
    for (Index output = 0; batch_.weights && output < k; ++output) seed[output] *= batch_.weights[row];
  }
}

template <class T>
void Linearization<T>::curvature_factors(T* seeds) const {
  const Index k = network_.n_outputs();
  const T* y = inputs(outputs_.size());
  std::vector<T> factor(std::size_t(k * k));
  for (Index row = 0; row < batch_.n; ++row) {
    network_.loss().curvature_factor(k, y + row * k, batch_.t + row * k, factor.data());
    const T root = batch_.weights ? std::sqrt(batch_.weights[row]) : T(1);
    for (Index q = 0; q < k; ++q)
      for (Index output = 0; output < k; ++output)
        seeds[(q * batch_.n + row) * k + output] = root * factor[std::size_t(q * k + output)];
  }
}

template <class T>
DirectionalPass<T>::DirectionalPass(const Network<T>& network, Index max_rows) {
  for (const auto& stage : network.stages()) tangents_.emplace_back(max_rows * stage.module->n_outputs());
  live_.resize(tangents_.size());
  const Index widest = widest_output(network);
  above_.resize(std::size_t(max_rows * widest));
  below_.resize(std::size_t(max_rows * widest));
}

template <class T>
const T* DirectionalPass<T>::forward_above(const Linearization<T>& at, std::size_t s, const T* dtheta) {
  for (; s < tangents_.size(); ++s) {
    const auto& stage = at.network().stages()[s];
    const T* dx = s ? live_[s - 1] : nullptr;
    live_[s] = nullptr;
    const bool turns = dtheta && stage.module->n_parameters() > 0;
    if (!dx && !turns) continue;
    stage.module->forward_tangent(at.n(), at.theta() + stage.start, turns ? dtheta + stage.start : nullptr,
                                  at.inputs(s), dx, tangents_[s].data());
    live_[s] = tangents_[s].data();
  }
  return live_.back();
}

template <class T>
const T* DirectionalPass<T>::forward(const Linearization<T>& at, const T* dtheta) {
  return forward_above(at, 0, dtheta);
}

template <class T>
const T* DirectionalPass<T>::forward_from(const Linearization<T>& at, std::size_t s, const T* dy) {
  std::fill(live_.begin(), live_.end(), nullptr);
  live_[s] = dy;
  return forward_above(at, s + 1, nullptr);
}

template <class T>
template <class Parameters>
const T* DirectionalPass<T>::back(const Linearization<T>& at, std::size_t first, const T* dtheta,
                                  const T* dgy, Parameters&& parameters) {
  std::copy_n(dgy, at.n() * at.network().n_outputs(), above_.data());
  for (std::size_t s = tangents_.size(); s-- > first;) {
    const auto& stage = at.network().stages()[s];
    const T *theta = at.theta() + stage.start, *x = at.inputs(s), *dx = s ? live_[s - 1] : nullptr;
    T* dgtheta =
        stage.module->n_parameters() > 0 ? parameters(stage, x, dx, at.gradients(s), above_.data()) : nullptr;
    stage.module->backward_tangent(at.n(), theta, dtheta ? dtheta + stage.start : nullptr, x, dx,
                                   at.gradients(s), above_.data(), s ? below_.data() : nullptr, dgtheta);
    above_.swap(below_);
  }
  return above_.data();
}

template <class T>
const T* DirectionalPass<T>::backward(const Linearization<T>& at, std::size_t first, const T* dtheta,
                                      const T* dgy, T* dgtheta) {
  return back(at, first, dtheta, dgy, [&](const Stage<T>& stage, const T*, const T*, const T*, const T*) {
    return dgtheta ? dgtheta + stage.start : nullptr;
  });
}

template <class T>
const T* DirectionalPass<T>::backward_rows(const Linearization<T>& at, std::size_t first, const T* dgy,
                                           Index stride, T* rows) {
  return back(at, first, nullptr, dgy,
              [&](const Stage<T>& stage, const T* x, const T* dx, const T* gy, const T* above) -> T* {
                stage.module->tangent_rows(at.n(), at.theta() + stage.start, x, dx, gy, above,
                                           rows + stage.start, stride);
                return nullptr;
              });
}

template <class T>
template <class Parameters>
void DirectionalPass<T>::plain_back(const Linearization<T>& at, const T* gy, Parameters&& parameters) {
  std::copy_n(gy, at.n() * at.network().n_outputs(), above_.data());
  for (std::size_t s = tangents_.size(); s-- > 0;) {
    const auto& stage = at.network().stages()[s];
    const T* x = at.inputs(s);
    T* gtheta = stage.module->n_parameters() > 0 ? parameters(stage, x, above_.data()) : nullptr;
    stage.module->backward(at.n(), at.theta() + stage.start, x, above_.data(), s ? below_.data() : nullptr,
                           gtheta);
    above_.swap(below_);
  }
}

template <class T>
void DirectionalPass<T>::backpropagate(const Linearization<T>& at, const T* gy, T* gtheta) {
  plain_back(at, gy, [&](const Stage<T>& stage, const T*, const T*) { return gtheta + stage.start; });
}

template <class T>
void DirectionalPass<T>::backpropagate_rows(const Linearization<T>& at, const T* gy, Index stride, T* rows) {
  plain_back(at, gy, [&](const Stage<T>& stage, const T* x, const T* above) -> T* {
    stage.module->gradient_rows(at.n(), at.theta() + stage.start, x, above, rows + stage.start, stride);
    return nullptr;
  });
}

template class Linearization<float>;
template class Linearization<double>;
template class DirectionalPass<float>;
template class DirectionalPass<double>;

}  // namespace ebp

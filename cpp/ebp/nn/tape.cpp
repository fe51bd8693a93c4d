#include "ebp/nn/tape.h"

#include <algorithm>

#include "ebp/base/simd.h"

namespace ebp {

// Bytes of a block's values that stay in the second-level cache, or at least in the third.
constexpr Index kNear = 512 * 1024, kFar = 4 * 1024 * 1024;

template <class T>
Index Tape<T>::block_rows(const Network<T>& network) {
  Index values = network.n_inputs();
  for (const auto& stage : network.stages()) values += stage.module->n_outputs();
  const Index bytes = values * Index(sizeof(T));
  // Dense products want some 32 rows, unless that takes too much memory.
  const Index rows = std::max(kNear / bytes, std::min<Index>(32, kFar / bytes));
  return std::clamp<Index>(rows / 4 * 4, 4, 256);
}

template <class T>
Tape<T>::Tape(const Network<T>& network, Index max_rows) : network_(network) {
  for (const auto& stage : network.stages()) outputs_.emplace_back(max_rows * stage.module->n_outputs());
  const Index widest = widest_output(network);
  // Room for the last row to be written in whole packs; the rows before are written before their successors.
  seed_.resize(std::size_t(max_rows * network.n_outputs() + simd::kLanes<T>));
  above_.resize(std::size_t(max_rows * widest));
  below_.resize(std::size_t(max_rows * widest));
}

template <class T>
const T* Tape<T>::forward(Index n, const T* theta, const T* x) {
  n_ = n;
  theta_ = theta;
  x_ = x;
  for (std::size_t s = 0; s < outputs_.size(); ++s) {
    const auto& stage = network_.stages()[s];
    stage.module->forward(n, theta + stage.start, x, outputs_[s].data());
    x = outputs_[s].data();
  }
  return x;
}

template <class T>
void Tape<T>::backward(const T* gy, T* gtheta) {
  backward_through(&Module<T>::backward, gy, gtheta, [](T*) {});
}

template <class T>
void Tape<T>::add_gradient(Index n, const T* theta, const T* x, const T* t, const T* weights, T* g,
                           T* losses) {
  const Index k = network_.n_outputs();
  const T* y = forward(n, theta, x);
  for (Index row = 0; row < n; ++row) {
    T* seed = seed_.data() + row * k;
    const T weight = weights ? weights[row] : T(1);
    const T loss = weight * network_.loss().gradient(k, y + row * k, t + row * k, seed);
    if (losses) losses[row] = loss;
    for (Index output = 0; output < k; ++output) seed[output] *= weight;
  }
  backward_through(&Module<T>::backward, seed_.data(), g, [](T*) {});
}

template <class T>
void Tape<T>::add_curvature(Index n, const T* theta, const T* x, const T* t, const T* weights, T* h) {
  const Index k = network_.n_outputs();
  const T* y = forward(n, theta, x);
  for (Index row = 0; row < n; ++row) {
    T* seed = seed_.data() + row * k;
    network_.loss().curvature(k, y + row * k, t + row * k, seed);
    for (Index output = 0; weights && output < k; ++output) seed[output] *= weights[row];
  }
  backward_through(&Module<T>::backward_curvature, seed_.data(), h,
                   [&](T* below) { seed_below(t, weights, below); });
}

template <class T>
void Tape<T>::seed_below(const T* t, const T* weights, T* below) const {
  const auto& last = network_.stages().back();
  const Loss<T>& loss = network_.loss();
  if (!loss.seeds_below(*last.module)) return;
  const Index i = last.module->n_inputs(), k = network_.n_outputs();
  const T *x = output(outputs_.size() - 2), *y = output(outputs_.size() - 1);
  for (Index row = 0; row < n_; ++row, x += i, below += i) {
    loss.curvature_below(*last.module, theta_ + last.start, x, y + row * k, t + row * k, below);
    for (Index input = 0; weights && input < i; ++input) below[input] *= weights[row];
  }
}

template <class T>
const T* Tape<T>::centred(std::size_t s, const T* x) {
  if (s >= means_.size() || !means_[s]) return x;
  const Index i = network_.stages()[s].module->n_inputs();
  centred_.resize(std::size_t(n_ * i));
  for (Index row = 0; row < n_; ++row)
    for (Index k = 0; k < i; ++k) centred_[std::size_t(row * i + k)] = x[row * i + k] - means_[s][k];
  return centred_.data();
}

template <class T>
template <class AfterLast>
void Tape<T>::backward_through(Pass pass, const T* seed, T* result, AfterLast&& after_last) {
  std::copy_n(seed, n_ * network_.n_outputs(), above_.data());
  for (std::size_t s = outputs_.size(); s-- > 0;) {
    const auto& stage = network_.stages()[s];
    const T* x = centred(s, s ? outputs_[s - 1].data() : x_);
    (stage.module.get()->*pass)(n_, theta_ + stage.start, x, above_.data(), s ? below_.data() : nullptr,
                                result + stage.start);
    if (s > 0 && s + 1 == outputs_.size()) after_last(below_.data());
    above_.swap(below_);
  }
}

template class Tape<float>;
template class Tape<double>;

}  // namespace ebp

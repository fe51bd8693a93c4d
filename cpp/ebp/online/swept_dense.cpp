#include "ebp/online/swept_dense.h"

#include <algorithm>

namespace ebp {
namespace {

using simd::kLanes;
using simd::Pack;

// Samples of a block: a further one spares traffic, and costs one more sum for every sample before it.
constexpr int kSamples = simd::kBytes == 64 ? 3 : 2;
constexpr int kPairs = kSamples * (kSamples - 1) / 2;
constexpr int kSums = kSamples + kPairs;
// Rows treated together; there are registers for kSums sums of each.
constexpr int kRows = 4;

// Of samples t < s.
constexpr Index pair(Index s, Index t) { return s * (s - 1) / 2 + t; }

// What rows of weights (r, i) are to learn, and what they are multiplied with.
template <class T>
struct Passing {
  Index n_inputs;
  const T *learnt, *steps;  // (B, i) and (B, width), or null; the first row's step comes first
  Index width;
  const T *inputs, *pairs;  // (B, i), (pairs, i)
};

template <class T>
using Sums = Pack<T>[kSums][kLanes<T>];

// sums[q][at + k]: the lanes of sum q of row first + k, for kCount rows.
template <int kCount, bool kLearns, class T>
inline __attribute__((always_inline)) void sweep_rows(const Passing<T>& p, Index first, T* weights,
                                                      const T* rates, Sums<T>& sums, Index at) {
  const Index n = p.n_inputs;
  weights += first * n;
  rates += first * n;
  Pack<T> partial[kCount][kSums] = {};
  T steps[kCount][kSamples];
  for (int r = 0; kLearns && r < kCount; ++r)
    for (int s = 0; s < kSamples; ++s) steps[r][s] = p.steps[s * p.width + first + r];
  simd::for_lanes<T>(n, [&](Index i, auto lanes) __attribute__((always_inline)) {
    Pack<T> factors[kSums], learnt[kSamples];
#pragma GCC unroll 8
    for (int s = 0; s < kSamples; ++s) {
      factors[s] = lanes.load(p.inputs + s * n + i);
      if constexpr (kLearns) learnt[s] = lanes.load(p.learnt + s * n + i);
    }
#pragma GCC unroll 8
    for (int q = 0; q < kPairs; ++q) factors[kSamples + q] = lanes.load(p.pairs + q * n + i);
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      Pack<T> weight = lanes.load(weights + r * n + i);
      const Pack<T> rate = lanes.load(rates + r * n + i);
      if constexpr (kLearns) {
        Pack<T> step = steps[r][0] * learnt[0];
#pragma GCC unroll 8
        for (int s = 1; s < kSamples; ++s) step += steps[r][s] * learnt[s];
        weight += rate * step;
        lanes.store(weights + r * n + i, weight);
      }
#pragma GCC unroll 8
      for (int q = 0; q < kSums; ++q) partial[r][q] += (q < kSamples ? weight : rate) * factors[q];
    }
  });
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 8
    for (int q = 0; q < kSums; ++q) sums[q][at + r] = partial[r][q];
}

}  // namespace

template <class T>
SweptDense<T>::SweptDense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta, Index start,
                          RuleState<T>& state)
    : BlockLayer<T>(size, sigmoid, theta, start, state, kSamples),
      width_(simd::padded<T>(size.n_outputs)),
      sums_(std::size_t(kSums * width_)),
      steps_(std::size_t(kSamples * width_)),
      steps_before_(steps_.size()),
      pairs_(std::size_t(kPairs * size.n_inputs)) {}

template <class T>
void SweptDense<T>::load() {
  const T* learnt = made_ < row_ ? this->inputs() : nullptr;
  std::fill_n(steps_.data(), made_ * width_, T(0));
  std::fill(steps_.begin() + row_ * width_, steps_.end(), T(0));
  std::swap(steps_, steps_before_);
  this->step_on();
  const Index i = sweep_.n_inputs;
  T *x = this->inputs(), *pairs = pairs_.data();
  std::fill(x + rows_ * i, x + kSamples * i, T(0));
  for (Index s = 1; s < kSamples; ++s)
    for (Index t = 0; t < s; ++t)
      simd::for_lanes<T>(i, [=](Index k, auto lanes) {
        lanes.store(pairs + pair(s, t) * i + k, lanes.load(x + s * i + k) * lanes.load(x + t * i + k));
      });
  team_->share(sweep_.n_outputs, kLanes<T>, [=, this](const Share& units, int) { sweep(units, learnt); });
}

template <class T>
void SweptDense<T>::sweep(const Share& units, const T* learnt) {
  const Passing<T> passing{sweep_.n_inputs, learnt,         steps_before_.data(),
                           width_,          this->inputs(), pairs_.data()};
  T *weights = sweep_.weights, *sums_to = sums_.data();
  const T* rates = sweep_.memory.first;
  Sums<T> sums;
  const auto rows = [&]<int kCount>(Index j, Index r) {
    if (learnt)
      sweep_rows<kCount, true>(passing, j + r, weights, rates, sums, r);
    else
      sweep_rows<kCount, false>(passing, j + r, weights, rates, sums, r);
  };
  for (Index j = units.begin; j < units.end; j += kLanes<T>) {
    const Index count = std::min(kLanes<T>, units.end - j);
    constexpr int kGroup = std::min(kRows, int(kLanes<T>));
    Index r = 0;
    for (; r + kGroup <= count; r += kGroup) rows.template operator()<kGroup>(j, r);
    for (; r < count; ++r) rows.template operator()<1>(j, r);
    for (int q = 0; q < kSums; ++q) {
      std::fill(sums[q] + count, sums[q] + kLanes<T>, Pack<T>{});
      simd::store(sums_to + q * width_ + j, simd::sums<T>(sums[q]));
    }
  }
}

template <class T>
void SweptDense<T>::finish() {
  if (made_ == row_) return;
  team_->share(sweep_.n_outputs, kLanes<T>, [this](const Share& units, int) { learn(units); });
  made_ = row_;
}

template <class T>
void SweptDense<T>::learn(const Share& units) {
  const Index i = sweep_.n_inputs;
  for (Index j = units.begin; j < units.end; ++j)
    for (Index s = made_; s < row_; ++s) {
      T* weights = sweep_.weights + j * i;
      const T *rates = sweep_.memory.first + j * i, *x = this->inputs() + s * i;
      const T step = steps_[std::size_t(s * width_ + j)];
      simd::for_lanes<T>(i, [=](Index k, auto lanes) {
        lanes.store(weights + k,
                    lanes.load(weights + k) + lanes.load(rates + k) * (step * lanes.load(x + k)));
      });
    }
}

template <class T>
const T* SweptDense<T>::forward(const T*) {
  return this->activate([this](Index j, auto) {
    Pack<T> total = simd::load(sums_.data() + row_ * width_ + j);
    for (Index t = 0; t < row_; ++t)
      total += simd::load(steps_.data() + t * width_ + j) *
               simd::load(sums_.data() + (kSamples + pair(row_, t)) * width_ + j);
    return total;
  });
}

template <class T>
void SweptDense<T>::backward(const T* e, const T*, T*, T*) {
  this->template learn_bias<Rule>(e);
  const T *deltas = this->delta_.data(), rate = rates_[std::size_t(row_)];
  T* steps = steps_.data() + row_ * width_;
  simd::for_lanes<T>(sweep_.n_outputs,
                     [=](Index j, auto lanes) { lanes.store(steps + j, -rate * simd::load(deltas + j)); });
  ++row_;
}

template class SweptDense<float>;
template class SweptDense<double>;

}  // namespace ebp

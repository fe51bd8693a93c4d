#include <algorithm>
#include <utility>

#include "ebp/online/dense_kernels.h"
#include "ebp/online/online_layer.h"
#include "ebp/online/row_parts.h"

namespace ebp {
namespace {

using simd::Pack;

// Updates that are made together: each of them costs a few products of vectors until then.
constexpr Index kUpdates = 4;

// e (i) = or += delta' W for kCount rows of W from row j on, after adding the updates steps (kUpdates, width)
// of the inputs x (kUpdates, i) to them, if kLearns.
template <int kCount, bool kLearns, class T>
inline void pass_down_rows(const online::Sweep<T>& s, Index j, bool add, const T* steps, Index width,
                           const T* x, T* e) {
  const Index n = s.n_inputs;
  T* const w = s.weights + j * n;
  T delta[kCount], step[kCount][kUpdates];
  for (int r = 0; r < kCount; ++r) {
    delta[r] = s.delta[j + r];
    for (Index k = 0; kLearns && k < kUpdates; ++k) step[r][k] = steps[k * width + j + r];
  }
  simd::for_lanes<T>(n, [&](Index i, auto lanes) __attribute__((always_inline)) {
    Pack<T> sum = add ? simd::load(e + i) : Pack<T>{}, inputs[kUpdates];
    if constexpr (kLearns)
      for (Index k = 0; k < kUpdates; ++k) inputs[k] = lanes.load(x + k * n + i);
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      Pack<T> weight = lanes.load(w + r * n + i);
      if constexpr (kLearns) {
#pragma GCC unroll 8
        for (Index k = 0; k < kUpdates; ++k) weight += step[r][k] * inputs[k];
        lanes.store(w + r * n + i, weight);
      }
      sum += delta[r] * weight;
    }
    simd::store(e + i, sum);
  });
}

// A layer above the first, of one rate a unit, no momentum and no decay. Its weights W are needed in W x and
// W' delta alone, and updates that have not been made, w_j <- w_j + s_j[k] x[k], are added to these products
// from the vectors s[k] and x[k]: so several updates can be made in one sweep.
template <class T>
class DeferredDense final : public OnlineLayer<T> {
 public:
  DeferredDense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta, Index start, RuleState<T>& state)
      : sigmoid_(sigmoid),
        state_(state),
        width_(simd::padded<T>(size.n_outputs)),
        inputs_(std::size_t(kUpdates * size.n_inputs)),
        steps_(std::size_t(kUpdates * width_)) {
    for (auto* vector : {&output_, &slope_, &delta_, &factors_}) vector->resize(std::size_t(width_));
    sweep_ = {size.n_inputs, size.n_outputs, theta + start,   state.memory().from(start), size.bias,
              delta_.data(), nullptr,        factors_.data(), state.constants()};
  }

  bool use(Team& team) override { return parts_.use(team, sweep_, 1); }
  void begin() override {
    for (Index j = 0; j < sweep_.n_outputs; ++j)
      factors_[std::size_t(j)] = sweep_.memory.first[j * sweep_.n_inputs];
  }
  void publish() override {}
  void discard() override { n_pending_ = 0; }

  void finish() override {
    if (n_pending_ == 0) return;
    parts_.each(sweep_, [this](const online::Sweep<T>& rows, Index first, int) {
      for (Index j = 0; j < rows.n_outputs; ++j) learn(rows, first, j);
    });
    n_pending_ = 0;
  }

  const T* forward(const T* x) override {
    T factors[kUpdates];  // of the pending steps
    for (Index k = 0; k < n_pending_; ++k) factors[k] = product(sweep_.n_inputs, input(k), x);
    parts_.each(sweep_, [this, x, &factors](const online::Sweep<T>& rows, Index first, int) {
      const online::Activate<T> emit{sigmoid_, sweep_.bias(), output_.data(), slope_.data(), first};
      online::products<online::NoUpdate<T>>(rows, x, x, [&](Index j, Pack<T> total, auto lanes) {
        for (Index k = 0; k < n_pending_; ++k)
          total += factors[k] * lanes.load(steps_.data() + k * width_ + first + j);
        emit(j, total, lanes);
      });
    });
    x_ = x;
    return output_.data();
  }

  void backward(const T* e, const T*, T* e_below, T*) override {
    sweep_.constants = state_.constants();
    online::form_deltas(sweep_.n_outputs, slope_.data(), e, delta_.data());
    const bool learns = n_pending_ == kUpdates;
    parts_.each(sweep_, [=, this](const online::Sweep<T>& rows, Index first, int part) {
      pass_down(rows, first, learns, parts_.below(part, 0, e_below));
    });
    parts_.add_others(0, e_below);
    if (learns)
      n_pending_ = 0;
    else
      pass_down_pending(e_below);
    online::update_bias<Rule, online::Motion::kDirect>(sweep_);
    keep();
  }

 private:
  using Rule = online::UnitRate<T, false>;

  T* input(Index k) { return inputs_.data() + k * sweep_.n_inputs; }

  static T product(Index n, const T* a, const T* b) {
    Pack<T> sum{};
    simd::for_lanes<T>(n, [&](Index i, auto lanes) { sum += lanes.load(a + i) * lanes.load(b + i); });
    return simd::sum<T>(sum);
  }

  void pass_down(const online::Sweep<T>& rows, Index first, bool learns, T* e_part) {
    using online::kRows;
    const T* steps = steps_.data() + first;
    const auto some = [&]<int kCount>(Index j) {
      if (learns)
        pass_down_rows<kCount, true>(rows, j, j > 0, steps, width_, inputs_.data(), e_part);
      else
        pass_down_rows<kCount, false>(rows, j, j > 0, steps, width_, inputs_.data(), e_part);
    };
    if (rows.n_outputs == 0) return parts_.pass_nothing(e_part);
    Index j = 0;
    for (; j + kRows <= rows.n_outputs; j += kRows) some.template operator()<kRows>(j);
    for (; j < rows.n_outputs; ++j) some.template operator()<1>(j);
  }

  // What e_below = W' delta lacks of the updates that are still to be made.
  void pass_down_pending(T* e_below) {
    for (Index k = 0; k < n_pending_; ++k) {
      const T factor = product(sweep_.n_outputs, steps_.data() + k * width_, delta_.data());
      const T* x = input(k);
      simd::for_lanes<T>(sweep_.n_inputs, [=](Index i, auto lanes) {
        simd::store(e_below + i, simd::load(e_below + i) + factor * lanes.load(x + i));
      });
    }
  }

  // Puts the update with the present sample with the pending ones.
  void keep() {
    T* step = steps_.data() + n_pending_ * width_;
    simd::for_lanes<T>(sweep_.n_outputs, [=, this](Index j, auto lanes) {
      lanes.store(step + j, -Rule::bias_change(sweep_, j, lanes));
    });
    std::copy_n(x_, sweep_.n_inputs, input(n_pending_));
    ++n_pending_;
  }

  void learn(const online::Sweep<T>& rows, Index first, Index j) {
    T* const w = rows.weights + j * rows.n_inputs;
    for (Index k = 0; k < n_pending_; ++k) {
      const T step = steps_[std::size_t(k * width_ + first + j)], *x = input(k);
      simd::for_lanes<T>(rows.n_inputs, [=](Index i, auto lanes) {
        lanes.store(w + i, lanes.load(w + i) + step * lanes.load(x + i));
      });
    }
  }

  Sigmoid<T> sigmoid_;
  RuleState<T>& state_;
  RowParts<T> parts_;
  online::Sweep<T> sweep_;           // with the present sample's deltas
  Index width_;                      // of steps
  AlignedVector<T> inputs_, steps_;  // (kUpdates, i), (kUpdates, width): x and -e d of the pending updates
  AlignedVector<T> output_, slope_, delta_, factors_;
  Index n_pending_ = 0;
  const T* x_ = nullptr;  // input of the present sample
};

}  // namespace

template <class T>
std::unique_ptr<OnlineLayer<T>> make_deferred_dense(const DenseSize& size, const Sigmoid<T>& sigmoid,
                                                    T* theta, Index start, RuleState<T>& state) {
  return std::make_unique<DeferredDense<T>>(size, sigmoid, theta, start, state);
}

template std::unique_ptr<OnlineLayer<float>> make_deferred_dense(const DenseSize&, const Sigmoid<float>&,
                                                                 float*, Index, RuleState<float>&);
template std::unique_ptr<OnlineLayer<double>> make_deferred_dense(const DenseSize&, const Sigmoid<double>&,
                                                                  double*, Index, RuleState<double>&);

}  // namespace ebp

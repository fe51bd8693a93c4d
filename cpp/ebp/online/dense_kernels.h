// The sweeps over a dense layer's weights that online training consists of, one instance a rule.
//
// A sweep reads and writes each weight once. Several rows (units) are treated together, so that a vector
// of the layer's input is loaded once for all of them. Index letters: i inputs, o outputs (rows of weights).
#pragma once

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

#include "ebp/base/team.h"
#include "ebp/nn/activation.h"
#include "ebp/online/methods.h"

namespace ebp::online {

// One layer's slices of theta and of the rule's memory, and what the present sample says about its units.
template <class T>
struct Sweep {
  Index n_inputs, n_outputs;
  T* weights;        // (o, i), followed by bias (o) if has_bias; likewise the vectors of the memory
  Memory<T> memory;  // no curvature unless it runs along
  bool has_bias;
  const T* delta;         // (o) dE/dy
  const T* hy;            // (o) d2E/dy2, null unless h runs along
  const T* unit_factors;  // (o) of epsilon, where a unit's weights share one rate
  Constants<T> constants;
  const T* unit_steps = nullptr;  // (o) epsilon unit_factors delta, for rows of UnitRate

  Index bias_start() const { return n_outputs * n_inputs; }
  const T* bias() const { return has_bias ? weights + bias_start() : nullptr; }

  // The part of it that consists of some rows, without their biases.
  Sweep rows(const Share& share) const {
    Sweep part = *this;
    part.n_outputs = share.size();
    part.weights += share.begin * n_inputs;
    part.memory = memory.from(share.begin * n_inputs);
    part.has_bias = false;
    part.delta += share.begin;
    if (hy) part.hy += share.begin;
    part.unit_factors += share.begin;
    if (unit_steps) part.unit_steps += share.begin;
    return part;
  }
};

// Makes outputs and slopes (o) of the units' totals.
template <class T>
struct Activate {
  Sigmoid<T> sigmoid;
  const T* bias;  // null: none
  T *outputs, *slopes;
  Index first;  // the unit that the sweep calls 0

  template <class Lanes>
  void operator()(Index j, Pack<T> total, Lanes lanes) const {
    if (bias) total += lanes.load(bias + first + j);
    Pack<T> value, slope;
    sigmoid.value_and_slope(total, value, slope);
    simd::store(outputs + first + j, value);
    simd::store(slopes + first + j, slope);
  }
};

// delta = f' e (o), (4); arrays have room for whole packs.
template <class T>
void form_deltas(Index o, const T* slopes, const T* e, T* deltas) {
  for (Index j = 0; j < o; j += simd::kLanes<T>)
    simd::store(deltas + j, simd::load(slopes + j) * simd::load(e + j));
}

// The rules of a sweep: change() gives what is taken from the weights w of row j whose inputs are x, and
// bias_change() what is taken from biases. Sweeps of plain rules are worth instances of their own, since
// loads and loops take much of their time. kRuns: the curvature may run along. kOneRate: a unit has one rate.

// rate (delta x + decay w), one rate a unit
template <class T, bool kDecay>
struct UnitRate {
  static constexpr bool kPlain = true, kRuns = true, kOneRate = true;
  T step, shrink;

  UnitRate(const Sweep<T>& s, Index j)
      : step(s.unit_steps[j]), shrink(s.constants.epsilon * s.unit_factors[j] * s.constants.decay) {}

  template <class Lanes>
  Pack<T> change(Pack<T> w, Pack<T> x, Index, Lanes) const {
    return kDecay ? step * x + shrink * w : step * x;
  }
  template <class Lanes>
  static Pack<T> bias_change(const Sweep<T>& s, Index j, Lanes lanes) {
    return s.constants.epsilon * lanes.load(s.unit_factors + j) * lanes.load(s.delta + j);
  }
};

// Whatever the method makes of the gradient delta x + decay w
template <class T, class Method, bool kDecay>
struct WeightRate {
  static constexpr bool kPlain = std::is_same_v<Method, FixedRate<T>>, kRuns = false, kOneRate = false;
  Method method;
  T delta, decay;

  WeightRate(const Sweep<T>& s, Index j)
      : method(s.constants, s.memory, j * s.n_inputs),
        delta(scale(s) * s.delta[j]),
        decay(scale(s) * s.constants.decay) {}

  template <class Lanes>
  Pack<T> change(Pack<T> w, Pack<T> x, Index i, Lanes lanes) const {
    return method.change(kDecay ? delta * x + decay * w : delta * x, i, lanes);
  }
  template <class Lanes>
  static Pack<T> bias_change(const Sweep<T>& s, Index j, Lanes lanes) {
    return Method(s.constants, s.memory, s.bias_start()).change(scale(s) * lanes.load(s.delta + j), j, lanes);
  }

 private:
  static T scale(const Sweep<T>& s) { return Method::kLinear ? s.constants.epsilon : T(1); }
};

// One rate a weight, with h and so the rate following (62) and (61) at every sample.
template <class T>
struct RunningRate {
  static constexpr bool kPlain = false, kRuns = true, kOneRate = false;
  T* h;
  T delta, decay, keep, gain, epsilon, mu;

  RunningRate(const Sweep<T>& s, Index j)
      : h(s.memory.curvature + j * s.n_inputs),
        delta(s.delta[j]),
        decay(s.constants.decay),
        keep(1 - s.constants.leak),
        gain(s.constants.leak * s.hy[j]),
        epsilon(s.constants.epsilon),
        mu(s.constants.mu) {}

  template <class Lanes>
  Pack<T> change(Pack<T> w, Pack<T> x, Index i, Lanes lanes) const {
    const Pack<T> mean = keep * lanes.load(h + i) + gain * (x * x);
    lanes.store(h + i, mean);
    return epsilon / (mean + mu) * (delta * x + decay * w);
  }
  template <class Lanes>
  static Pack<T> bias_change(const Sweep<T>& s, Index j, Lanes lanes) {
    T* h = s.memory.curvature + s.bias_start() + j;
    const T leak = s.constants.leak;
    const Pack<T> mean = (1 - leak) * lanes.load(h) + leak * lanes.load(s.hy + j);
    lanes.store(h, mean);
    return s.constants.epsilon / (mean + s.constants.mu) * lanes.load(s.delta + j);
  }
};

// How the change that a rule asks for is made: at once, by the heavy ball, or as Inertia says in general.
enum class Motion { kDirect, kHeavyBall, kGeneral };

// One row's update.
template <class T, class Rule, Motion kMotion>
struct RowUpdate {
  static constexpr bool kPlain = Rule::kPlain;
  Rule rule;
  Inertia<T> inertia;
  T* velocity;

  RowUpdate(const Sweep<T>& s, Index j)
      : rule(s, j),
        // One by one: a copy as a whole stays in memory.
        inertia{s.constants.inertia.momentum, s.constants.inertia.gain, s.constants.inertia.through,
                s.constants.inertia.past},
        velocity(kMotion != Motion::kDirect ? s.memory.velocity + j * s.n_inputs : nullptr) {}

  template <class Lanes>
  Pack<T> operator()(Pack<T> w, Pack<T> x, Index i, Lanes lanes) const {
    const Pack<T> change = rule.change(w, x, i, lanes);
    if constexpr (kMotion == Motion::kDirect)
      return w - change;
    else
      return w + inertia.template step<kMotion == Motion::kHeavyBall>(change, velocity + i, lanes);
  }
};

// Leaves the weights alone: the sweep is a plain product.
template <class T>
struct NoUpdate {
  static constexpr bool kPlain = true;
  NoUpdate(const Sweep<T>&, Index) {}
};

// An array of one object a row, each made from the sweep and its row.
template <class Row, class T, std::size_t... r>
inline std::array<Row, sizeof...(r)> make_rows(const Sweep<T>& s, Index j, std::index_sequence<r...>) {
  return {Row(s, j + Index(r))...};
}

// sums[r] = partial sums of row j + r of W x, after updating these rows with the sample before, whose input
// was `last`.
template <int kCount, class Update, class T>
inline __attribute__((always_inline)) void product_rows(const Sweep<T>& s, Index j, const T* last, const T* x,
                                                        Pack<T>* sums) {
  constexpr bool kUpdates = !std::is_same_v<Update, NoUpdate<T>>;
  const auto update = make_rows<Update>(s, j, std::make_index_sequence<kCount>{});
  const Index n = s.n_inputs;
  T* const w = s.weights + j * n;
  Pack<T> partial[kCount] = {};
  simd::for_lanes<T>(n, [&](Index i, auto lanes) {
    const Pack<T> input = lanes.load(x + i);
    Pack<T> before{};
    if constexpr (kUpdates) before = lanes.load(last + i);
#pragma GCC unroll 16
    for (int r = 0; r < kCount; ++r) {
      Pack<T> weights = lanes.load(w + r * n + i);
      if constexpr (kUpdates) {
        weights = update[std::size_t(r)](weights, before, i, lanes);
        lanes.store(w + r * n + i, weights);
      }
      partial[r] += weights * input;
    }
  });
#pragma GCC unroll 16
  for (int r = 0; r < kCount; ++r) sums[r] = partial[r];
}

// Updates rows [j, j + kCount) with the present sample, whose input is x, after adding what they pass down
// with their weights as they were: e_below = W' delta and c_below = (W^2)' hy, accumulated unless j is 0,
// with room for whole packs. They count only where kBelow, c_below only where kCurvature.
template <int kCount, class Update, bool kBelow, bool kCurvature, class T>
inline void backward_rows(const Sweep<T>& s, Index j, const T* x, T* e_below, T* c_below) {
  const auto update = make_rows<Update>(s, j, std::make_index_sequence<kCount>{});
  const Index n = s.n_inputs;
  T* const w = s.weights + j * n;
  T delta[kCount], hy[kCount];
  for (int r = 0; r < kCount; ++r) {
    delta[r] = s.delta[j + r];
    hy[r] = kCurvature ? s.hy[j + r] : T(0);
  }
  simd::for_lanes<T>(n, [&](Index i, auto lanes) {
    const Pack<T> input = lanes.load(x + i);
    Pack<T> e{}, c{};
    if constexpr (kBelow) e = j == 0 ? Pack<T>{} : simd::load(e_below + i);
    if constexpr (kBelow && kCurvature) c = j == 0 ? Pack<T>{} : simd::load(c_below + i);
#pragma GCC unroll 16
    for (int r = 0; r < kCount; ++r) {
      const Pack<T> weights = lanes.load(w + r * n + i);
      if constexpr (kBelow) e += delta[r] * weights;
      if constexpr (kBelow && kCurvature) c += hy[r] * (weights * weights);
      lanes.store(w + r * n + i, update[std::size_t(r)](weights, input, i, lanes));
    }
    if constexpr (kBelow) simd::store(e_below + i, e);
    if constexpr (kBelow && kCurvature) simd::store(c_below + i, c);
  });
}

// Rows a sweep treats together: enough to share the loads of the input, few enough for the registers and for
// the streams that the processor can fetch ahead. Short rows, which stay in the first cache, have no such
// limit.
inline constexpr int kRows = 4;
inline constexpr int kShortRows = 8;
inline constexpr Index kShort = 128;

// Totals of kCount rows from j on, at lanes 0 to kCount - 1, kGroup rows at a time.
template <int kCount, int kGroup, class Update, class T>
inline __attribute__((always_inline)) Pack<T> totals(const Sweep<T>& s, Index j, const T* last, const T* x) {
  constexpr int kTogether = std::min(kCount, kGroup);
  Pack<T> sums[kCount];
#pragma GCC unroll 16
  for (int r = 0; r < kCount; r += kTogether) product_rows<kTogether, Update>(s, j + r, last, x, sums + r);
  return simd::sums<T, kCount>(sums);
}

// The same, apart: in the middle of all the others, GCC 12 keeps its sums in memory.
template <int kCount, int kGroup, class Update, class T>
__attribute__((noinline)) Pack<T> totals_apart(const Sweep<T>& s, Index j, const T* last, const T* x) {
  return totals<kCount, kGroup, Update>(s, j, last, x);
}

// The same for the last rows of a layer, fewer than a pack has lanes: for those that the number's binary
// digits from kCount on stand for. Sums of fewer rows than lanes repeat, so that each digit's are at their
// place; lanes behind the last row have some of the sums too.
template <int kCount, int kGroup, class Update, class T>
inline __attribute__((always_inline)) Pack<T> last_totals(const Sweep<T>& s, Index j, const T* last,
                                                          const T* x) {
  const Index rest = s.n_outputs - j, before = rest / (2 * kCount) * (2 * kCount);
  Pack<T> above{};
  if constexpr (2 * kCount < simd::kLanes<T>) above = last_totals<2 * kCount, kGroup, Update>(s, j, last, x);
  if (!(rest & kCount)) return above;
  return simd::from_lane<T>(before, above, totals_apart<kCount, kGroup, Update>(s, j + before, last, x));
}

template <int kWanted, class Update, class T, class Emit>
inline __attribute__((always_inline)) void products_of_rows(const Sweep<T>& s, const T* last, const T* x,
                                                            Emit&& emit) {
  constexpr int kLanes = int(simd::kLanes<T>), kGroup = std::min(kWanted, kLanes);
  Index j = 0;
  for (; j + kLanes <= s.n_outputs; j += kLanes)
    emit(j, totals<kLanes, kGroup, Update>(s, j, last, x), simd::AllLanes<T>{});
  if (j < s.n_outputs)
    emit(j, last_totals<1, kGroup, Update>(s, j, last, x), simd::FirstLanes<T>{s.n_outputs - j});
}

// Calls emit(j, totals, lanes) with kLanes (or the last few) rows' totals of W x at a time, after updating W
// with the sample before, whose input was `last`.
template <class Update, class T, class Emit>
void products(const Sweep<T>& s, const T* last, const T* x, Emit&& emit) {
  if (Update::kPlain && s.n_inputs <= kShort)
    products_of_rows<Update::kPlain ? kShortRows : kRows, Update>(s, last, x, emit);
  else
    products_of_rows<kRows, Update>(s, last, x, emit);
}

template <class Update, bool kBelow, bool kCurvature, class T>
void backward(const Sweep<T>& s, const T* x, T* e_below, T* c_below) {
  Index j = 0;
  for (; j + kRows <= s.n_outputs; j += kRows)
    backward_rows<kRows, Update, kBelow, kCurvature>(s, j, x, e_below, c_below);
  for (; j < s.n_outputs; ++j) backward_rows<1, Update, kBelow, kCurvature>(s, j, x, e_below, c_below);
}

// The bias is a weight whose input is 1 and which does not decay.
template <class Rule, Motion kMotion, class T>
void update_bias(const Sweep<T>& s) {
  if (!s.has_bias) return;
  T* const bias = s.weights + s.bias_start();
  simd::for_lanes<T>(s.n_outputs, [&](Index j, auto lanes) {
    Pack<T> step = -Rule::bias_change(s, j, lanes);
    if constexpr (kMotion != Motion::kDirect) {
      T* const velocity = s.memory.velocity + s.bias_start() + j;
      step = s.constants.inertia.template step<kMotion == Motion::kHeavyBall>(-step, velocity, lanes);
    }
    lanes.store(bias + j, lanes.load(bias + j) + step);
  });
}

}  // namespace ebp::online

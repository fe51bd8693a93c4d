#include "ebp/online/blocked_dense.h"

#include <algorithm>
#include <cmath>

#include "ebp/base/blas.h"

namespace ebp {
namespace {

using simd::Pack;

// Samples of a sub-block: following every update costs their totals half of its length times o, following
// sub-blocks the others half of a block's, at the speed of products.
constexpr Index kSubBlock = 16;

// Units that are treated at a time: so few that their weights, of some thousand inputs, are still in the
// second cache for the next block when they have learnt from the last one, and that threads can share them
// out fairly; whole tiles of products.
constexpr Index kDealt = 24;

// Rows of the Gram matrix that a thread computes at a time.
constexpr Index kGramRows = 16;

// Rows [0, kCount) of `to` (o) each get, in lanes [j, j + kPacks packs), their row of gram times steps
// (updates, o); rows of gram are `stride` apart.
template <int kCount, int kPacks, class T, class Lanes>
inline __attribute__((always_inline)) void add_tile(Index updates, Index o, const T* gram, Index stride,
                                                    const T* steps, T* to, Index j, Lanes lanes) {
  Pack<T> sums[kCount][kPacks];
  for (int r = 0; r < kCount; ++r)
    for (int p = 0; p < kPacks; ++p) sums[r][p] = lanes.load(to + r * o + j + p * simd::kLanes<T>);
  for (Index k = 0; k < updates; ++k) {
    Pack<T> step[kPacks];
    for (int p = 0; p < kPacks; ++p) step[p] = lanes.load(steps + k * o + j + p * simd::kLanes<T>);
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r)
#pragma GCC unroll 8
      for (int p = 0; p < kPacks; ++p) sums[r][p] += gram[r * stride + k] * step[p];
  }
  for (int r = 0; r < kCount; ++r)
    for (int p = 0; p < kPacks; ++p) lanes.store(to + r * o + j + p * simd::kLanes<T>, sums[r][p]);
}

template <int kCount, class T>
void add_rows(Index updates, const Share& units, Index o, const T* gram, Index stride, const T* steps,
              T* to) {
  constexpr int kPacks = 3;
  constexpr Index kWidth = kPacks * simd::kLanes<T>;
  Index j = units.begin;
  for (; j + kWidth <= units.end; j += kWidth)
    add_tile<kCount, kPacks>(updates, o, gram, stride, steps, to, j, simd::AllLanes<T>{});
  simd::for_lanes<T>(units.end - j, [&](Index k, auto lanes) {
    add_tile<kCount, 1>(updates, o, gram, stride, steps, to, j + k, lanes);
  });
}

// to (rows, o) += gram (rows, updates) steps (updates, o) for some units and few updates; rows of gram are
// `stride` apart.
template <class T>
void add_steps(Index rows, Index updates, const Share& units, Index o, const T* gram, Index stride,
               const T* steps, T* to) {
  constexpr int kCount = 4;
  Index r = 0;
  for (; r + kCount <= rows; r += kCount)
    add_rows<kCount>(updates, units, o, gram + r * stride, stride, steps, to + r * o);
  for (; r < rows; ++r) add_rows<1>(updates, units, o, gram + r * stride, stride, steps, to + r * o);
}

}  // namespace

template <class T>
BlockedDense<T>::BlockedDense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta, Index start,
                              RuleState<T>& state, Index block_rows)
    : BlockLayer<T>(size, sigmoid, theta, start, state, block_rows) {
  for (auto* vector : {&gram_, &gram_ahead_}) vector->resize(std::size_t(block_rows * block_rows));
  const std::size_t totals = std::size_t(block_rows * size.n_outputs);
  for (auto* vector : {&z_, &steps_}) vector->resize(totals);
  if (moves()) u_.resize(totals);
  if (plain()) return;
  for (auto* vector : {&course_.z_lost, &course_.z_from_u, &course_.u_from_z, &course_.u_from_u})
    vector->resize(std::size_t(size.n_outputs));
  for (auto* vector : {&course_.z_steps, &course_.u_steps}) vector->resize(totals);
}

template <class T>
Index BlockedDense<T>::best_block_rows(const DenseSize& size) {
  // The sum of `moved` i o / B and (i + o) B / 2 is least; `moved` is what moving a weight there and back
  // takes, in multiply-adds: 8 bytes from the outer caches.
  constexpr double moved = 7;
  const double i = double(size.n_inputs), o = double(size.n_outputs);
  const Index rows = Index(std::sqrt(2 * moved * i * o / (i + o)));
  return std::clamp((rows + kSubBlock / 2) / kSubBlock * kSubBlock, 2 * kSubBlock, 12 * kSubBlock);
}

template <class T>
void BlockedDense<T>::begin() {
  for (Index j = 0; j < sweep_.n_outputs; ++j)
    factors_[std::size_t(j)] = sweep_.memory.first[j * sweep_.n_inputs];
}

template <class T>
void BlockedDense<T>::wait() {
  if (others_busy_) team_->join();
  others_busy_ = false;
}

template <class T>
void BlockedDense<T>::discard() {
  wait();
  gram_is_formed_ = false;
  BlockLayer<T>::discard();
}

template <class T>
void BlockedDense<T>::prepare(Index rows) {
  BlockLayer<T>::prepare(rows);
  if (!ahead_) return;
  team_->start_others(form_gram_ahead_);
  others_busy_ = gram_is_formed_ = true;
}

template <class T>
void BlockedDense<T>::load() {
  wait();
  if (!gram_is_formed_) team_->run([this](int part) { form_gram(part, team_->size()); });
  gram_is_formed_ = false;
  const T* learnt = this->inputs();
  const Index first = made_, last = row_;
  this->step_on();
  std::swap(gram_, gram_ahead_);
  sub_block_ = 0;
  team_->deal(sweep_.n_outputs, kDealt, [=, this](const Share& units, int) {
    if (first < last) finish_units(units, learnt, first, last);
    load_units(units);
  });
}

// Whole rows of the triangle, and in part a little beyond it.
template <class T>
void BlockedDense<T>::form_gram(int part, int n_parts) {
  using enum blas::Op;
  const Index i = sweep_.n_inputs, rows = this->prepared();
  const T* x = this->inputs_ahead();
  T* gram = gram_ahead_.data();
  if (n_parts == 1) return blas::syrk(kPlain, rows, i, x, T(0), gram);
  for (Index first = part * kGramRows; first < rows; first += n_parts * kGramRows) {
    const Index last = std::min(rows, first + kGramRows);
    blas::gemm<T>(kPlain, kTransposed, last - first, last, i, {x + first * i, i}, {x, i}, T(0),
                  {gram + first * rows, rows});
  }
}

template <class T>
void BlockedDense<T>::load_units(const Share& units) {
  using enum blas::Op;
  const Index i = sweep_.n_inputs, o = sweep_.n_outputs;
  const auto totals = [&](const T* weights, T* to) {
    blas::gemm<T>(kPlain, kTransposed, rows_, units.size(), i, {this->inputs(), i},
                  {weights + units.begin * i, i}, T(0), {to + units.begin, o});
  };
  totals(sweep_.weights, z_.data());
  if (moves()) totals(sweep_.memory.velocity, u_.data());
}

template <class T>
void BlockedDense<T>::finish() {
  wait();
  if (made_ == row_) return;
  team_->deal(sweep_.n_outputs, kDealt,
              [this](const Share& units, int) { finish_units(units, this->inputs(), made_, row_); });
  made_ = row_;
}

template <class T>
void BlockedDense<T>::finish_units(const Share& units, const T* x, Index first, Index last) {
  const Index i = sweep_.n_inputs, o = sweep_.n_outputs;
  const auto add_updates = [&](const AlignedVector<T>& steps, T* to) {
    using enum blas::Op;
    blas::gemm<T>(kTransposed, kPlain, units.size(), i, last - first,
                  {steps.data() + first * o + units.begin, o}, {x + first * i, i}, T(1),
                  {to + units.begin * i, i});
  };
  if (plain()) return add_updates(steps_, sweep_.weights);
  compute_course(units, first, last);
  for (Index j = units.begin; j < units.end; ++j) {
    const std::size_t unit = std::size_t(j);
    T *w = sweep_.weights + j * i, *v = moves() ? sweep_.memory.velocity + j * i : nullptr;
    const T w_lost = course_.z_lost[unit], w_from_v = course_.z_from_u[unit];
    const T v_from_w = course_.u_from_z[unit], v_from_v = course_.u_from_u[unit];
    simd::for_lanes<T>(i, [=](Index k, auto lanes) {
      const Pack<T> weight = lanes.load(w + k);
      if (!v) return lanes.store(w + k, weight - w_lost * weight);
      const Pack<T> velocity = lanes.load(v + k);
      lanes.store(w + k, weight - w_lost * weight + w_from_v * velocity);
      lanes.store(v + k, v_from_w * weight + v_from_v * velocity);
    });
  }
  add_updates(course_.z_steps, sweep_.weights);
  if (moves()) add_updates(course_.u_steps, sweep_.memory.velocity);
}

template <class T>
const T* BlockedDense<T>::forward(const T*) {
  const T* totals = z_.data() + row_ * sweep_.n_outputs;
  return this->activate([=](Index j, auto lanes) { return lanes.load(totals + j); });
}

template <class T>
void BlockedDense<T>::backward(const T* e, const T*, T*, T*) {
  this->template learn_bias<Rule>(e);
  T* step = steps_.data() + row_ * sweep_.n_outputs;
  simd::for_lanes<T>(sweep_.n_outputs, [=, this](Index j, auto lanes) {
    lanes.store(step + j, -Rule::bias_change(sweep_, j, lanes));
  });
  ++row_;
  follow_in_sub_block(step);
  if (row_ == sub_block_ + kSubBlock) {
    if (row_ < rows_ && others_busy_)
      follow_behind_sub_block({0, sweep_.n_outputs});
    else if (row_ < rows_)
      team_->share(sweep_.n_outputs, simd::kLanes<T>,
                   [this](const Share& units, int) { follow_behind_sub_block(units); });
    sub_block_ = row_;
  }
}

// The update just made, in the totals of the sub-block's samples to come.
template <class T>
void BlockedDense<T>::follow_in_sub_block(const T* step) {
  const online::Constants<T> c = sweep_.constants;
  const Index o = sweep_.n_outputs, last = std::min(rows_, sub_block_ + kSubBlock);
  const T *gram = gram_.data() + (row_ - 1), *factors = factors_.data();
  T *z = z_.data(), *u = moves() ? u_.data() : nullptr;
  const bool decays = this->decays();
  const Index first = row_, stride = rows_;
  simd::for_lanes<T>(o, [=](Index j, auto lanes) {
    const Pack<T> taken = lanes.load(step + j);
    if (!u && !decays) {
      for (Index s = first; s < last; ++s)
        lanes.store(z + s * o + j, lanes.load(z + s * o + j) + gram[s * stride] * taken);
      return;
    }
    const Pack<T> shrink = c.epsilon * c.decay * simd::load(factors + j);
    for (Index s = first; s < last; ++s) {
      const Pack<T> total = lanes.load(z + s * o + j), change = shrink * total - gram[s * stride] * taken;
      lanes.store(z + s * o + j,
                  u ? total + c.inertia.template step<false>(change, u + s * o + j, lanes) : total - change);
    }
  });
}

// The updates of the sub-block, in the totals of all samples behind it.
template <class T>
void BlockedDense<T>::follow_behind_sub_block(const Share& units) {
  const Index o = sweep_.n_outputs, behind = rows_ - row_, updates = row_ - sub_block_;
  T *z = z_.data() + row_ * o, *u = moves() ? u_.data() + row_ * o : nullptr;
  const T* gram = gram_.data() + row_ * rows_ + sub_block_;
  const auto add = [&](const AlignedVector<T>& steps, T* to) {
    add_steps(behind, updates, units, o, gram, rows_, steps.data() + sub_block_ * o, to);
  };
  if (plain()) return add(steps_, z);
  compute_course(units, sub_block_, row_);
  const Course& course = course_;
  for (Index s = 0; s < behind; ++s)
    simd::for_lanes<T>(units.size(), [&, first = units.begin](Index k, auto lanes) {
      const Index j = first + k;
      T *totals = z + s * o + j, *velocities = u ? u + s * o + j : nullptr;
      const Pack<T> total = lanes.load(totals), left = total - lanes.load(course.z_lost.data() + j) * total;
      if (!velocities) return lanes.store(totals, left);
      const Pack<T> velocity = lanes.load(velocities);
      lanes.store(totals, left + lanes.load(course.z_from_u.data() + j) * velocity);
      lanes.store(velocities, lanes.load(course.u_from_z.data() + j) * total +
                                  lanes.load(course.u_from_u.data() + j) * velocity);
    });
  add(course.z_steps, z);
  if (u) add(course.u_steps, u);
}

// From the last update back to the first: what comes after an update changes what it did. An update takes (z,
// u) of a unit to M (z, u) + b step, with the M and b of `Inertia` and of decay.
template <class T>
void BlockedDense<T>::compute_course(const Share& units, Index first, Index last) {
  const online::Constants<T> c = state_.constants();
  const auto& [momentum, gain, through, past] = c.inertia;
  const T now = through * gain + past;
  const Index o = sweep_.n_outputs;
  Course& course = course_;
  simd::for_lanes<T>(units.size(), [&](Index unit, auto lanes) {
    const Index j = units.begin + unit;
    const Pack<T> one = simd::broadcast(T(1)), zero{};
    Pack<T> z_lost = zero, z_from_u = zero, u_from_z = zero, u_from_u = one;
    const Pack<T> decay = c.decay * lanes.load(factors_.data() + j);
    for (Index k = last; k-- > first;) {
      const Index at = k * o + j;
      const Pack<T> shrink = rates_[std::size_t(k)] * decay, step = lanes.load(steps_.data() + at);
      const Pack<T> z_from_z = one - z_lost, in_z = now * z_from_z + gain * z_from_u;
      const Pack<T> in_u = now * u_from_z + gain * u_from_u;
      lanes.store(course.z_steps.data() + at, in_z * step);
      lanes.store(course.u_steps.data() + at, in_u * step);
      z_from_u = momentum * (through * z_from_z + z_from_u);
      u_from_u = momentum * (through * u_from_z + u_from_u);
      z_lost += shrink * in_z;
      u_from_z -= shrink * in_u;
    }
    lanes.store(course.z_lost.data() + j, z_lost);
    lanes.store(course.z_from_u.data() + j, z_from_u);
    lanes.store(course.u_from_z.data() + j, u_from_z);
    lanes.store(course.u_from_u.data() + j, u_from_u);
  });
}

template class BlockedDense<float>;
template class BlockedDense<double>;

}  // namespace ebp

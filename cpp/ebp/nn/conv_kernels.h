// The sums that convolution consists of, over stretches of values laid out by ConvPlan.
//
// Several maps are treated together, so that a vector of one stretch, which is seldom aligned, is loaded once
// for all of them. Buffers have room for a whole pack beyond their end.
#pragma once

#include <algorithm>
#include <utility>

#include "ebp/base/simd.h"

namespace ebp::conv {

using simd::Pack;

// Running sums that the registers hold beside what they are fed with.
inline constexpr int kSums = simd::kBytes == 64 ? 24 : 12;
inline constexpr int kMaps = 6;
inline constexpr int packs_beside(int maps) { return std::min(kSums / maps, 8); }

// The terms of a weighted sum: the weight at weights[weight_at] times the stretch that begins at in[in_at].
struct Terms {
  const Index *weight_at, *in_at;
};

// For m = 0 .. kCount - 1 and kWide packs of positions p: out[m * out_step + p] = sum over t in [first, last)
// of weights[m * weight_step + weight_at[t]] * in[in_at[t] + p].
template <int kCount, int kWide, class T>
inline __attribute__((always_inline)) void weighted_tile(std::pair<Index, Index> range, const T* weights,
                                                         Index weight_step, const Terms& terms, const T* in,
                                                         T* out, Index out_step) {
  constexpr Index kLanes = simd::kLanes<T>;
  Pack<T> sums[kCount][kWide] = {};
  for (Index t = range.first; t < range.second; ++t) {
    const T* from = in + terms.in_at[t];
    const T* w = weights + terms.weight_at[t];
    // What there is less of stays in registers.
    if constexpr (kCount < kWide) {
      T factors[kCount];
#pragma GCC unroll 8
      for (int m = 0; m < kCount; ++m) factors[m] = w[m * weight_step];
#pragma GCC unroll 8
      for (int v = 0; v < kWide; ++v) {
        const Pack<T> values = simd::load(from + v * kLanes);
#pragma GCC unroll 8
        for (int m = 0; m < kCount; ++m) sums[m][v] += factors[m] * values;
      }
    } else {
      Pack<T> values[kWide];
#pragma GCC unroll 8
      for (int v = 0; v < kWide; ++v) values[v] = simd::load(from + v * kLanes);
#pragma GCC unroll 8
      for (int m = 0; m < kCount; ++m) {
        const T factor = w[m * weight_step];
#pragma GCC unroll 8
        for (int v = 0; v < kWide; ++v) sums[m][v] += factor * values[v];
      }
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < kCount; ++m) {
#pragma GCC unroll 8
    for (int v = 0; v < kWide; ++v) simd::store(out + m * out_step + v * kLanes, sums[m][v]);
  }
}

template <int kCount, int kWide, class T>
void tile_of_width(Index width, std::pair<Index, Index> range, const T* weights, Index weight_step,
                   const Terms& terms, const T* in, T* out, Index out_step) {
  if (width == kWide)
    weighted_tile<kCount, kWide>(range, weights, weight_step, terms, in, out, out_step);
  else if constexpr (kWide > 1)
    tile_of_width<kCount, kWide - 1>(width, range, weights, weight_step, terms, in, out, out_step);
}

// The positions are shared out among tiles of nearly equal width.
template <int kCount, class T, class Range>
void weighted_maps(Index n, Range&& range, const T* weights, Index weight_step, const Terms& terms,
                   const T* in, T* out, Index out_step) {
  constexpr Index kLanes = simd::kLanes<T>;
  constexpr int kWide = packs_beside(kCount);
  Index packs = (n + kLanes - 1) / kLanes, tiles = (packs + kWide - 1) / kWide;
  for (Index p = 0; tiles > 0; --tiles) {
    const Index width = (packs + tiles - 1) / tiles, end = p + width * kLanes;
    tile_of_width<kCount, kWide>(width, range(p, end), weights, weight_step, terms, in + p, out + p,
                                 out_step);
    p = end;
    packs -= width;
  }
}

template <int kCount, class T, class Range>
void count_of_maps(Index count, Index n, Range&& range, const T* weights, Index weight_step,
                   const Terms& terms, const T* in, T* out, Index out_step) {
  if (count == kCount)
    weighted_maps<kCount>(n, range, weights, weight_step, terms, in, out, out_step);
  else if constexpr (kCount > 1)
    count_of_maps<kCount - 1>(count, n, range, weights, weight_step, terms, in, out, out_step);
}

// For n_maps maps m and all positions p < n: out[m * out_step + p] = sum over terms t of
// weights[m * weight_step + weight_at[t]] * in[in_at[t] + p]. `out` is written in whole packs; range(p, end)
// gives the first and the last terms, excluded, that count for the positions [p, end).
template <class T, class Range>
void weighted_sums(Index n_maps, Index n, Range&& range, const T* weights, Index weight_step,
                   const Terms& terms, const T* in, T* out, Index out_step) {
  while (n_maps > 0) {
    const Index count = n_maps > kMaps ? 4 : n_maps;
    count_of_maps<kMaps>(count, n, range, weights, weight_step, terms, in, out, out_step);
    weights += count * weight_step;
    out += count * out_step;
    n_maps -= count;
  }
}

// What correlations are taken of: stretches a[a_at[m]] with those in[in_at[t]]. Stretches of a are 0 from
// their end to the end of its last pack.
template <class T>
struct Pairs {
  const T* a;
  const Index* a_at;
  const T* in;
  const Index* in_at;
};

// products[m][t] = the inner product over n positions of stretch m of kCount and stretch t of kTerms.
template <int kCount, int kTerms, class T>
inline __attribute__((always_inline)) void inner_products(Index n, const Pairs<T>& pairs, T* products) {
  constexpr int kLanes = int(simd::kLanes<T>), kTotal = kCount * kTerms;
  Pack<T> sums[kTotal] = {};
  const T* a[kCount];
  const T* in[kTerms];
  for (int m = 0; m < kCount; ++m) a[m] = pairs.a + pairs.a_at[m];
  for (int t = 0; t < kTerms; ++t) in[t] = pairs.in + pairs.in_at[t];
  for (Index p = 0; p < n; p += kLanes) {
    Pack<T> values[kCount];
#pragma GCC unroll 8
    for (int m = 0; m < kCount; ++m) values[m] = simd::load(a[m] + p);
#pragma GCC unroll 16
    for (int t = 0; t < kTerms; ++t) {
      const Pack<T> under = simd::load(in[t] + p);
#pragma GCC unroll 8
      for (int m = 0; m < kCount; ++m) sums[m * kTerms + t] += values[m] * under;
    }
  }
  if constexpr (kTotal % kLanes == 0) {
#pragma GCC unroll 16
    for (int k = 0; k < kTotal; k += kLanes) {
      Pack<T> group[kLanes];
#pragma GCC unroll 16
      for (int r = 0; r < kLanes; ++r) group[r] = sums[k + r];
      simd::store(products + k, simd::sums<T>(group));
    }
  } else {
#pragma GCC unroll 16
    for (int k = 0; k < kTotal; ++k) products[k] = simd::sum<T>(sums[k]);
  }
}

// Where correlations go: to[to_at[m] + t], added or not.
template <class T>
struct Target {
  T* to;
  const Index* to_at;
  bool add;
};

template <int kCount, int kTerms, class T>
inline __attribute__((always_inline)) void correlate_tile(Index n, const Pairs<T>& pairs,
                                                          const Target<T>& target, Index t) {
  alignas(64) T products[kCount * kTerms];
  inner_products<kCount, kTerms>(n, {pairs.a, pairs.a_at, pairs.in, pairs.in_at + t}, products);
  for (int m = 0; m < kCount; ++m) {
    T* to = target.to + target.to_at[m] + t;
    for (int k = 0; k < kTerms; ++k)
      to[k] = target.add ? to[k] + products[m * kTerms + k] : products[m * kTerms + k];
  }
}

// As many sums at a time as one transposition takes up.
template <int kCount, class T>
void correlate_maps(Index n, Index n_terms, const Pairs<T>& pairs, const Target<T>& target) {
  constexpr int kTerms = (simd::kBytes == 64 ? 16 : 8) / kCount;
  Index t = 0;
  for (; t + kTerms <= n_terms; t += kTerms) correlate_tile<kCount, kTerms>(n, pairs, target, t);
  for (; t < n_terms; ++t) correlate_tile<kCount, 1>(n, pairs, target, t);
}

// The correlations of n_maps stretches of a with n_terms stretches.
template <class T>
void correlate(Index n_maps, Index n, Index n_terms, Pairs<T> pairs, Target<T> target) {
  const auto maps = [&]<int kCount>() {
    correlate_maps<kCount>(n, n_terms, pairs, target);
    pairs.a_at += kCount;
    target.to_at += kCount;
    n_maps -= kCount;
  };
  while (n_maps >= 4) maps.template operator()<4>();
  if (n_maps >= 2) maps.template operator()<2>();
  if (n_maps >= 1) maps.template operator()<1>();
}

}  // namespace ebp::conv

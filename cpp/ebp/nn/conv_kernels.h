// The three sums that convolution consists of, over planes laid out as ConvShape describes.
//
// Several maps are treated together, so that a vector of one plane, which is seldom aligned, is loaded once
// for all of them. Buffers have room for a whole pack beyond their end.
#pragma once

#include "ebp/base/simd.h"

namespace ebp::conv {

using simd::Pack;

inline constexpr int kMaps = 4;
inline constexpr int kPacks = simd::kBytes == 64 ? 4 : 2;  // what the registers hold beside each other

// For m = 0 .. kCount - 1 and all positions p < n: out[m * out_step + p] = sum over t < n_terms of
// weights[m * weight_step + weight_at[t]] * in[in_at[t] + p]. `out` is written in whole packs.
template <int kCount, int kWide, class T>
inline __attribute__((always_inline)) void weighted_stretch(Index n_terms, const T* weights,
                                                            Index weight_step, const Index* weight_at,
                                                            const T* in, const Index* in_at, T* out,
                                                            Index out_step) {
  Pack<T> sums[kCount][kWide] = {};
  for (Index t = 0; t < n_terms; ++t) {
    const T* from = in + in_at[t];
    const T* w = weights + weight_at[t];
    Pack<T> values[kWide];
#pragma GCC unroll 8
    for (int v = 0; v < kWide; ++v) values[v] = simd::load(from + v * simd::kLanes<T>);
#pragma GCC unroll 8
    for (int m = 0; m < kCount; ++m) {
#pragma GCC unroll 8
      for (int v = 0; v < kWide; ++v) sums[m][v] += w[m * weight_step] * values[v];
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < kCount; ++m) {
#pragma GCC unroll 8
    for (int v = 0; v < kWide; ++v) simd::store(out + m * out_step + v * simd::kLanes<T>, sums[m][v]);
  }
}

template <int kCount, class T>
void weighted_maps(Index n, Index n_terms, const T* weights, Index weight_step, const Index* weight_at,
                   const T* in, const Index* in_at, T* out, Index out_step) {
  constexpr Index kWide = kPacks * simd::kLanes<T>;
  Index p = 0;
  for (; p + kWide <= simd::padded<T>(n); p += kWide)
    weighted_stretch<kCount, kPacks>(n_terms, weights, weight_step, weight_at, in + p, in_at, out + p,
                                     out_step);
  for (; p < n; p += simd::kLanes<T>)
    weighted_stretch<kCount, 1>(n_terms, weights, weight_step, weight_at, in + p, in_at, out + p, out_step);
}

// The same for n_maps maps.
template <class T>
void weighted_sums(Index n_maps, Index n, Index n_terms, const T* weights, Index weight_step,
                   const Index* weight_at, const T* in, const Index* in_at, T* out, Index out_step) {
  Index m = 0;
  for (; m + kMaps <= n_maps; m += kMaps)
    weighted_maps<kMaps>(n, n_terms, weights + m * weight_step, weight_step, weight_at, in, in_at,
                         out + m * out_step, out_step);
  if (m + 2 <= n_maps) {
    weighted_maps<2>(n, n_terms, weights + m * weight_step, weight_step, weight_at, in, in_at,
                     out + m * out_step, out_step);
    m += 2;
  }
  if (m < n_maps)
    weighted_maps<1>(n, n_terms, weights + m * weight_step, weight_step, weight_at, in, in_at,
                     out + m * out_step, out_step);
}

// products[m * step + t] = sum over p < n of a[m * a_step + p] * in[in_at[t] + p] for kCount maps and kTerms
// taps; a is 0 from n up to the end of its last pack.
template <int kCount, int kTerms, class T>
inline __attribute__((always_inline)) void inner_products(Index n, const T* a, Index a_step, const T* in,
                                                          const Index* in_at, T* products, Index step) {
  Pack<T> sums[kCount][kTerms] = {};
  for (Index p = 0; p < n; p += simd::kLanes<T>) {
    Pack<T> values[kCount];
#pragma GCC unroll 8
    for (int m = 0; m < kCount; ++m) values[m] = simd::load(a + m * a_step + p);
#pragma GCC unroll 8
    for (int t = 0; t < kTerms; ++t) {
      const Pack<T> under = simd::load(in + in_at[t] + p);
#pragma GCC unroll 8
      for (int m = 0; m < kCount; ++m) sums[m][t] += values[m] * under;
    }
  }
#pragma GCC unroll 8
  for (int m = 0; m < kCount; ++m) {
#pragma GCC unroll 8
    for (int t = 0; t < kTerms; ++t) products[m * step + t] = simd::sum<T>(sums[m][t]);
  }
}

template <int kCount, class T>
void correlations_of(Index n, Index n_terms, const T* a, Index a_step, const T* in, const Index* in_at,
                     T* products, Index step) {
  constexpr int kTerms = simd::kBytes == 64 ? 4 : 2;
  Index t = 0;
  for (; t + kTerms <= n_terms; t += kTerms)
    inner_products<kCount, kTerms>(n, a, a_step, in, in_at + t, products + t, step);
  for (; t < n_terms; ++t) inner_products<kCount, 1>(n, a, a_step, in, in_at + t, products + t, step);
}

// products[m * n_terms + t] = sum over p < n of a[m * a_step + p] * in[in_at[t] + p] for n_maps maps.
template <class T>
void correlations(Index n_maps, Index n, Index n_terms, const T* a, Index a_step, const T* in,
                  const Index* in_at, T* products) {
  Index m = 0;
  for (; m + kMaps <= n_maps; m += kMaps)
    correlations_of<kMaps>(n, n_terms, a + m * a_step, a_step, in, in_at, products + m * n_terms, n_terms);
  for (; m < n_maps; ++m)
    correlations_of<1>(n, n_terms, a + m * a_step, a_step, in, in_at, products + m * n_terms, n_terms);
}

}  // namespace ebp::conv

// Products of matrices of which one is small enough to stay in a cache, as those of layers and of blocks of
// samples: general methods spend much of their time on arranging the operands.
#pragma once

#include <algorithm>

#include "ebp/base/scratch.h"
#include "ebp/base/simd.h"
#include "ebp/base/strided.h"

namespace ebp::narrow {

// Rows and columns of C that are computed at a time: with kRows x kColumns sums, kColumns operands and one
// more the registers are full.
inline constexpr int kRows = simd::kBytes == 64 ? 6 : 4, kColumns = simd::kBytes == 64 ? 4 : 3;

// Whether dot() is the faster way to C (m, n) = A (m, k) B (n, k)': rows long enough for the sums over lanes
// at their ends not to count, and one of A and B small enough to stay in the second-level cache.
template <class T>
bool suits_dot(Index m, Index n, Index k) {
  return k >= 8 * simd::kLanes<T> && std::min(m, n) * k * Index(sizeof(T)) <= 512 * 1024;
}

// kR rows of A (kR, k) times kC rows of B (kC, k); c (kR, kC).
template <class T, int kR, int kC>
inline __attribute__((always_inline)) void dot_block(Index k, Strided<const T> a, Strided<const T> b, T beta,
                                                     Strided<T> c) {
  simd::Pack<T> sums[kR][kC] = {};
  simd::for_lanes<T>(k, [&](Index i, auto lanes) __attribute__((always_inline)) {
    simd::Pack<T> right[kC];
#pragma GCC unroll 4
    for (int j = 0; j < kC; ++j) right[j] = lanes.load(b.data + j * b.stride + i);
#pragma GCC unroll 6
    for (int r = 0; r < kR; ++r) {
      const simd::Pack<T> left = lanes.load(a.data + r * a.stride + i);
#pragma GCC unroll 4
      for (int j = 0; j < kC; ++j) sums[r][j] += left * right[j];
    }
  });
#pragma GCC unroll 6
  for (int r = 0; r < kR; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < kC; ++j) {
      const T sum = simd::sum<T>(sums[r][j]);
      T& to = c.data[r * c.stride + j];
      to = beta == T(0) ? sum : beta * to + sum;
    }
}

// All m rows of A times kC rows of B; c (m, kC).
template <class T, int kC>
void dot_columns(Index m, Index k, Strided<const T> a, Strided<const T> b, T beta, Strided<T> c) {
  Index r = 0;
  for (; r + kRows <= m; r += kRows) dot_block<T, kRows, kC>(k, a.row(r), b, beta, c.row(r));
  for (; r + 2 <= m; r += 2) dot_block<T, 2, kC>(k, a.row(r), b, beta, c.row(r));
  for (; r < m; ++r) dot_block<T, 1, kC>(k, a.row(r), b, beta, c.row(r));
}

// kR rows of A times all n rows of B; c (kR, n).
template <class T, int kR>
void dot_rows(Index n, Index k, Strided<const T> a, Strided<const T> b, T beta, Strided<T> c) {
  Index j = 0;
  for (; j + kColumns <= n; j += kColumns) dot_block<T, kR, kColumns>(k, a, b.row(j), beta, c.column(j));
  for (; j < n; ++j) dot_block<T, kR, 1>(k, a, b.row(j), beta, c.column(j));
}

// C (m, n) = A (m, k) B (n, k)' + beta C. An element does not depend on the rows and columns beside it. What
// is smaller is gone through for every few rows of the other.
template <class T>
void dot(Index m, Index n, Index k, Strided<const T> a, Strided<const T> b, T beta, Strided<T> c) {
  if (n <= m) {
    Index r = 0;
    for (; r + kRows <= m; r += kRows) dot_rows<T, kRows>(n, k, a.row(r), b, beta, c.row(r));
    for (; r + 2 <= m; r += 2) dot_rows<T, 2>(n, k, a.row(r), b, beta, c.row(r));
    for (; r < m; ++r) dot_rows<T, 1>(n, k, a.row(r), b, beta, c.row(r));
  } else {
    Index j = 0;
    for (; j + kColumns <= n; j += kColumns) dot_columns<T, kColumns>(m, k, a, b.row(j), beta, c.column(j));
    for (; j < n; ++j) dot_columns<T, 1>(m, k, a, b.row(j), beta, c.column(j));
  }
}

// The lower triangle of C (n, n) = A (n, k) A' + beta C; the rest of C stays as it is.
template <class T>
void dot_lower(Index n, Index k, Strided<const T> a, T beta, Strided<T> c) {
  const auto columns = [&]<int kC>(Index j) {
    T square[kC * kC];
    dot_block<T, kC, kC>(k, a.row(j), a.row(j), T(0), {square, kC});
    for (int r = 0; r < kC; ++r)
      for (int s = 0; s <= r; ++s) {
        T& to = c.data[(j + r) * c.stride + j + s];
        to = beta == T(0) ? square[r * kC + s] : beta * to + square[r * kC + s];
      }
    const Index below = j + kC;
    dot_columns<T, kC>(n - below, k, a.row(below), a.row(j), beta, c.row(below).column(j));
  };
  Index j = 0;
  for (; j + kColumns <= n; j += kColumns) columns.template operator()<kColumns>(j);
  for (; j < n; ++j) columns.template operator()<1>(j);
}

// Whether outer() is the faster way to C (m, n) = A (k, m)' B (k, n).
template <class T>
bool suits_outer(Index m, Index n) {
  return m >= 2 && m <= 128 && n >= simd::kLanes<T>;
}

// C (kR, kP packs) = kR columns of A (k, kR) times kP packs of columns of B (k, kP packs), + beta C; of the
// last pack only some lanes are there.
template <class T, int kR, int kP, class Lanes>
inline __attribute__((always_inline)) void outer_block(Index k, Strided<const T> a, Strided<const T> b,
                                                       T beta, Strided<T> c, Lanes last) {
  simd::Pack<T> sums[kR][kP] = {};
  for (Index p = 0; p < k; ++p, a = a.row(1), b = b.row(1)) {
    simd::Pack<T> right[kP];
#pragma GCC unroll 4
    for (int v = 0; v + 1 < kP; ++v) right[v] = simd::load(b.data + v * simd::kLanes<T>);
    right[kP - 1] = last.load(b.data + (kP - 1) * simd::kLanes<T>);
#pragma GCC unroll 6
    for (int r = 0; r < kR; ++r) {
      const simd::Pack<T> left = simd::broadcast(a.data[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kP; ++v) sums[r][v] += left * right[v];
    }
  }
  const auto put = [&](simd::Pack<T> sum, T* to, auto lanes) {
    lanes.store(to, beta == T(0) ? sum : sum + beta * lanes.load(to));
  };
#pragma GCC unroll 6
  for (int r = 0; r < kR; ++r) {
    T* to = c.data + r * c.stride;
#pragma GCC unroll 4
    for (int v = 0; v + 1 < kP; ++v) put(sums[r][v], to + v * simd::kLanes<T>, simd::AllLanes<T>{});
    put(sums[r][kP - 1], to + (kP - 1) * simd::kLanes<T>, last);
  }
}

// C (m, n) = A (k, m)' B (k, n) + beta C. Where there are many rows of B, a few columns of them at a time are
// put side by side, as each is on another page of memory than the next.
template <class T>
void outer(Index m, Index n, Index k, Strided<const T> a, Strided<const T> b, T beta, Strided<T> c) {
  constexpr Index kLanes = simd::kLanes<T>, kDepth = 256, kFew = 96;
  Scratch<T> panel(k > kFew ? kDepth * kColumns * kLanes : 0);
  const auto columns = [&]<int kP>(Index start, Index depth, Index j, T scale, auto last) {
    Strided<const T> right = b.row(start).column(j);
    if (k > kFew) {
      T* to = panel.data();
      for (Index p = 0; p < depth; ++p, to += kP * kLanes) {
        const T* from = right.row(p).data;
        for (int v = 0; v + 1 < kP; ++v) simd::store(to + v * kLanes, simd::load(from + v * kLanes));
        simd::store(to + (kP - 1) * kLanes, last.load(from + (kP - 1) * kLanes));
      }
      right = {panel.data(), kP * kLanes};
    }
    const auto rows = [&]<int kR>(Index r) {
      outer_block<T, kR, kP>(depth, a.row(start).column(r), right, scale, c.row(r).column(j), last);
    };
    Index r = 0;
    for (; r + kRows <= m; r += kRows) rows.template operator()<kRows>(r);
    for (; r + 2 <= m; r += 2) rows.template operator()<2>(r);
    for (; r < m; ++r) rows.template operator()<1>(r);
  };
  for (Index start = 0; start < k; start += kDepth) {
    const Index depth = std::min(kDepth, k - start);
    const T scale = start == 0 ? beta : T(1);
    Index j = 0;
    for (; j + kColumns * kLanes <= n; j += kColumns * kLanes)
      columns.template operator()<kColumns>(start, depth, j, scale, simd::AllLanes<T>{});
    for (; j + kLanes <= n; j += kLanes)
      columns.template operator()<1>(start, depth, j, scale, simd::AllLanes<T>{});
    if (j < n) columns.template operator()<1>(start, depth, j, scale, simd::FirstLanes<T>{n - j});
  }
}

}  // namespace ebp::narrow

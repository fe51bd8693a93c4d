// Products of matrices of which one is narrow, as those of layers of a few dozen units: general methods spend
// as much time on arranging the operands as on multiplying them.
#pragma once

#include "ebp/base/scratch.h"
#include "ebp/base/simd.h"

namespace ebp::narrow {

// Rows and columns of C that are computed at a time: with kRows x kColumns sums, kColumns operands and one
// more the 16 registers are full.
inline constexpr int kRows = 4, kColumns = 3;

// Whether dot() is the faster way to C (m, n) = A (m, k) B (n, k)': rows long enough for the sums over lanes
// at their ends not to count, and B small enough to stay in the second-level cache.
template <class T>
bool suits_dot(Index n, Index k) {
  return k >= 8 * simd::kLanes<T> && n * k * Index(sizeof(T)) <= 256 * 1024;
}

// kR rows of A (kR, k) times kC rows of B (kC, k); c (kR, kC), rows `stride` apart.
template <class T, int kR, int kC>
inline __attribute__((always_inline)) void dot_block(Index k, const T* a, const T* b, T beta, Index stride,
                                                     T* c) {
  simd::Pack<T> sums[kR][kC] = {};
  simd::for_lanes<T>(k, [&](Index i, auto lanes) __attribute__((always_inline)) {
    simd::Pack<T> right[kC];
#pragma GCC unroll 4
    for (int j = 0; j < kC; ++j) right[j] = lanes.load(b + j * k + i);
#pragma GCC unroll 4
    for (int r = 0; r < kR; ++r) {
      const simd::Pack<T> left = lanes.load(a + r * k + i);
#pragma GCC unroll 4
      for (int j = 0; j < kC; ++j) sums[r][j] += left * right[j];
    }
  });
#pragma GCC unroll 4
  for (int r = 0; r < kR; ++r)
#pragma GCC unroll 4
    for (int j = 0; j < kC; ++j) {
      const T sum = simd::sum<T>(sums[r][j]);
      c[r * stride + j] = beta == T(0) ? sum : beta * c[r * stride + j] + sum;
    }
}

// C (m, n) = A (m, k) B (n, k)' + beta C. An element does not depend on the rows and columns beside it.
template <class T>
void dot(Index m, Index n, Index k, const T* a, const T* b, T beta, T* c) {
  const auto rows = [&]<int kR>(Index r) {
    Index j = 0;
    for (; j + kColumns <= n; j += kColumns)
      dot_block<T, kR, kColumns>(k, a + r * k, b + j * k, beta, n, c + r * n + j);
    for (; j < n; ++j) dot_block<T, kR, 1>(k, a + r * k, b + j * k, beta, n, c + r * n + j);
  };
  Index r = 0;
  for (; r + kRows <= m; r += kRows) rows.template operator()<kRows>(r);
  for (; r < m; ++r) rows.template operator()<1>(r);
}

// Whether outer() is the faster way to C (m, n) = A (k, m)' B (k, n).
template <class T>
bool suits_outer(Index m, Index n) {
  return m >= 2 && m <= 128 && n >= simd::kLanes<T>;
}

// kR columns of A (k, m) times a panel (k, kP packs) of columns of B; c (kR, kP packs), rows `stride` apart,
// of whose last pack only `last` lanes are there.
template <class T, int kR, int kP, class Lanes>
inline __attribute__((always_inline)) void outer_block(Index k, Index m, const T* a, const T* panel, T beta,
                                                       Index stride, T* c, Lanes last) {
  simd::Pack<T> sums[kR][kP] = {};
  for (Index p = 0; p < k; ++p, a += m, panel += kP * simd::kLanes<T>) {
    simd::Pack<T> right[kP];
#pragma GCC unroll 4
    for (int v = 0; v < kP; ++v) right[v] = simd::load(panel + v * simd::kLanes<T>);
#pragma GCC unroll 4
    for (int r = 0; r < kR; ++r) {
      const simd::Pack<T> left = simd::broadcast(a[r]);
#pragma GCC unroll 4
      for (int v = 0; v < kP; ++v) sums[r][v] += left * right[v];
    }
  }
  const auto put = [&](simd::Pack<T> sum, T* to, auto lanes) {
    lanes.store(to, beta == T(0) ? sum : sum + beta * lanes.load(to));
  };
#pragma GCC unroll 4
  for (int r = 0; r < kR; ++r) {
    T* to = c + r * stride;
#pragma GCC unroll 4
    for (int v = 0; v + 1 < kP; ++v) put(sums[r][v], to + v * simd::kLanes<T>, simd::AllLanes<T>{});
    put(sums[r][kP - 1], to + (kP - 1) * simd::kLanes<T>, last);
  }
}

// C (m, n) = A (k, m)' B (k, n) + beta C. A few columns of B at a time are put side by side, as a row of B is
// on another page of memory than the next.
template <class T>
void outer(Index m, Index n, Index k, const T* a, const T* b, T beta, T* c) {
  constexpr Index kLanes = simd::kLanes<T>, kDepth = 256;
  Scratch<T> panel(kDepth * kColumns * kLanes);
  const auto columns = [&]<int kP>(Index start, Index depth, Index j, T scale, auto last) {
    T* to = panel.data();
    for (Index p = start; p < start + depth; ++p, to += kP * kLanes) {
      const T* from = b + p * n + j;
      for (int v = 0; v + 1 < kP; ++v) simd::store(to + v * kLanes, simd::load(from + v * kLanes));
      simd::store(to + (kP - 1) * kLanes, last.load(from + (kP - 1) * kLanes));
    }
    const T* left = a + start * m;
    Index r = 0;
    for (; r + kRows <= m; r += kRows)
      outer_block<T, kRows, kP>(depth, m, left + r, panel.data(), scale, n, c + r * n + j, last);
    for (; r < m; ++r) outer_block<T, 1, kP>(depth, m, left + r, panel.data(), scale, n, c + r * n + j, last);
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

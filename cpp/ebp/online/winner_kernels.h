// Convolution under max pooling: only the winner of each window has an error, so that sums over positions
// become sums over winners.
//
// Rows of kernels, as short as they are, are treated as vectors of kRow values. A winner's code says where in
// its window it lies: kRow times its row plus its column.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

#include "ebp/base/simd.h"

namespace ebp::online {

using simd::IntegerPack;
using simd::kLanes;
using simd::Pack;

inline constexpr int kRowBits = 3;
inline constexpr Index kRow = Index(1) << kRowBits;

template <class T>
using Code = typename simd::PackOf<T>::integer;

// Vectors that a row consists of: not wider than itself.
template <class T>
struct RowVectorOf;
template <>
struct RowVectorOf<float> {
  typedef float type __attribute__((vector_size(std::min(simd::kBytes, 32))));
};
template <>
struct RowVectorOf<double> {
  typedef double type __attribute__((vector_size(std::min(simd::kBytes, 64))));
};
template <class T>
using RowVector = typename RowVectorOf<T>::type;
template <class T>
inline constexpr int kParts = int(kRow * sizeof(T) / sizeof(RowVector<T>));

template <class T>
inline RowVector<T> load_part(const T* row, int part) {
  RowVector<T> values;
  std::memcpy(&values, row + part * (kRow / kParts<T>), sizeof values);
  return values;
}
template <class T>
inline void store_part(T* row, int part, RowVector<T> values) {
  std::memcpy(row + part * (kRow / kParts<T>), &values, sizeof values);
}

// The largest values so far of kLanes windows, the first where there are several; NaN wins, so that it stays
// visible.
template <class T>
struct Leaders {
  Pack<T> value;
  IntegerPack<T> code{};

  void challenge(Pack<T> x, Index its_code) {
    const auto wins = (x > value) | (x != x);
    value = wins ? x : value;
    code = wins ? IntegerPack<T>{} + Code<T>(its_code) : code;
  }
};

// The even (kOdd = 0) or odd lanes of two packs, in an order that stays within the 128 bits that the
// processor shuffles most easily; in_order() puts them right.
template <int kOdd, class T, int... i>
inline Pack<T> every_second(Pack<T> a, Pack<T> b, std::integer_sequence<int, i...>) {
  constexpr int n = int(kLanes<T>), group = 16 / int(sizeof(T)), half = group / 2;
  return __builtin_shufflevector(a, b,
                                 (i / group * group + i % half * 2 + kOdd + (i % group < half ? 0 : n))...);
}
template <class T, class Packed, int... i>
inline Packed in_order(Packed mixed, std::integer_sequence<int, i...>) {
  constexpr int n = int(kLanes<T>), half = 8 / int(sizeof(T));
  return __builtin_shufflevector(mixed, mixed,
                                 (i % (n / 2) / half * 2 * half + i % half + (i < n / 2 ? 0 : half))...);
}

// The winners of one row of n windows of 2 x 2, whose values are two rows, `pitch` apart. Whole packs are
// read and written.
template <class T>
inline void winners_of_pairs(Index n, const T* rows, Index pitch, T* values, Code<T>* codes) {
  constexpr std::make_integer_sequence<int, int(kLanes<T>)> all;
  for (Index c = 0; c < n; c += kLanes<T>) {
    const T *upper = rows + 2 * c, *lower = upper + pitch;
    const Pack<T> a = simd::load(upper), b = simd::load(upper + kLanes<T>), d = simd::load(lower),
                  e = simd::load(lower + kLanes<T>);
    Leaders<T> leaders{every_second<0, T>(a, b, all)};
    leaders.challenge(every_second<1, T>(a, b, all), 1);
    leaders.challenge(every_second<0, T>(d, e, all), kRow);
    leaders.challenge(every_second<1, T>(d, e, all), kRow + 1);
    simd::store(values + c, in_order<T>(leaders.value, all));
    const IntegerPack<T> code = in_order<T>(leaders.code, all);
    std::memcpy(codes + c, &code, sizeof code);
  }
}

// The same for windows of size x size.
template <class T>
inline void winners_of_squares(Index n, Index size, const T* rows, Index pitch, T* values, Code<T>* codes) {
  for (Index c = 0; c < n; ++c) {
    T value = rows[c * size];
    Index code = 0;
    for (Index a = 0; a < size; ++a)
      for (Index b = 0; b < size; ++b) {
        const T x = rows[a * pitch + c * size + b];
        const bool wins = (x > value) | (x != x);
        value = wins ? x : value;
        code = wins ? a * kRow + b : code;
      }
    values[c] = value;
    codes[c] = Code<T>(code);
  }
}

// kernel (kHeight, kernel_width) = the sum over n winners of delta times the values under the kernel, the
// first of which is frame[at]. The last row is written as a whole vector.
template <int kHeight, class T>
void kernel_gradient(Index n, const T* deltas, const Code<T>* at, const T* frame, Index pitch,
                     Index kernel_width, T* kernel) {
  // Two sums of everything, so that no addition waits for the one before.
  constexpr int kSets = kHeight * kParts<T> <= 6 ? 2 : 1;
  RowVector<T> sums[kSets][kHeight][kParts<T>] = {};
  const auto add = [&](Index k, int set) __attribute__((always_inline)) {
    const T *values = frame + at[k], delta = deltas[k];
#pragma GCC unroll 8
    for (int a = 0; a < kHeight; ++a) {
#pragma GCC unroll 8
      for (int part = 0; part < kParts<T>; ++part)
        sums[set][a][part] += delta * load_part(values + a * pitch, part);
    }
  };
  Index k = 0;
  for (; k + kSets <= n; k += kSets) {
#pragma GCC unroll 2
    for (int set = 0; set < kSets; ++set) add(k + set, set);
  }
  if (k < n) add(k, 0);
#pragma GCC unroll 8
  for (int a = 0; a < kHeight; ++a) {
#pragma GCC unroll 8
    for (int part = 0; part < kParts<T>; ++part)
      store_part(kernel + a * kernel_width, part,
                 kSets == 2 ? sums[0][a][part] + sums[1][a][part] : sums[0][a][part]);
  }
}

// An output map that is connected to the input map in question: where its winners begin and where its kernel.
struct Connection {
  Index winners_at, kernel_at;
};

// Input maps that window_errors takes together: what the registers hold.
template <class T>
inline constexpr int inputs_together(int rows) {
  return rows * kParts<T> <= (simd::kBytes == 64 ? 12 : 6) ? 2 : 1;
}

// What kRows rows of the frame, kRow values each, receive from one window of n output maps, in kInputs maps
// that lie frame_step apart and whose kernels lie kernel_step apart. Kernels lie among zeros, so that those
// of every code can be read as if they began at the window's corner.
template <int kRows, int kInputs, class T>
inline void window_errors(Index n, const Connection* maps, const T* deltas, const Code<T>* codes,
                          const T* kernels, Index kernel_step, T* frame, Index frame_step, Index pitch) {
  RowVector<T> sums[kInputs][kRows][kParts<T>] = {};
  for (Index m = 0; m < n; ++m) {
    const T delta = deltas[maps[m].winners_at];
    const T* kernel = kernels + maps[m].kernel_at - codes[maps[m].winners_at];
#pragma GCC unroll 2
    for (int i = 0; i < kInputs; ++i, kernel += kernel_step) {
#pragma GCC unroll 8
      for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 8
        for (int part = 0; part < kParts<T>; ++part)
          sums[i][row][part] += delta * load_part(kernel + row * kRow, part);
      }
    }
  }
#pragma GCC unroll 2
  for (int i = 0; i < kInputs; ++i, frame += frame_step) {
#pragma GCC unroll 8
    for (int row = 0; row < kRows; ++row) {
#pragma GCC unroll 8
      for (int part = 0; part < kParts<T>; ++part) {
        T* to = frame + row * pitch;
        store_part(to, part, load_part(to, part) + sums[i][row][part]);
      }
    }
  }
}

}  // namespace ebp::online

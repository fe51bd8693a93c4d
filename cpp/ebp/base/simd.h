// Vectors of the machine's native width, and the elementary functions computed on them.
//
// The width follows the instruction-set level a file is compiled for; everything above this header is
// written once. Partial loads and stores take the number of elements, never touch memory beyond it, and
// fill the remaining lanes with zero.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "ebp/base/types.h"

namespace ebp::simd {

#if defined(__AVX512F__)
inline constexpr int kBytes = 64;
#elif defined(__AVX__)
inline constexpr int kBytes = 32;
#else
inline constexpr int kBytes = 16;
#endif

template <class T>
struct PackOf;
template <>
struct PackOf<float> {
  typedef float type __attribute__((vector_size(kBytes)));
  using integer = std::int32_t;
  typedef integer integers __attribute__((vector_size(kBytes)));
};
template <>
struct PackOf<double> {
  typedef double type __attribute__((vector_size(kBytes)));
  using integer = std::int64_t;
  typedef integer integers __attribute__((vector_size(kBytes)));
};

template <class T>
using Pack = typename PackOf<T>::type;
template <class T>
using IntegerPack = typename PackOf<T>::integers;
template <class T>
inline constexpr Index kLanes = kBytes / static_cast<int>(sizeof(T));

template <class T>
inline Pack<T> broadcast(T value) {
  return value -
         Pack<T>{};  // the difference is value, whatever its sign, and costs nothing; the sum would not
}

template <class T>
inline Pack<T> load(const T* from) {
  Pack<T> pack;
  std::memcpy(&pack, from, sizeof pack);
  return pack;
}

template <class T>
inline void store(T* to, Pack<T> pack) {
  std::memcpy(to, &pack, sizeof pack);
}

#if defined(__AVX512F__)
inline Pack<float> load_partial(const float* from, Index count) {
  return (Pack<float>)_mm512_maskz_loadu_ps(__mmask16((1u << count) - 1u), from);
}
inline Pack<double> load_partial(const double* from, Index count) {
  return (Pack<double>)_mm512_maskz_loadu_pd(__mmask8((1u << count) - 1u), from);
}
inline void store_partial(float* to, Pack<float> pack, Index count) {
  _mm512_mask_storeu_ps(to, __mmask16((1u << count) - 1u), (__m512)pack);
}
inline void store_partial(double* to, Pack<double> pack, Index count) {
  _mm512_mask_storeu_pd(to, __mmask8((1u << count) - 1u), (__m512d)pack);
}
#elif defined(__AVX2__)
// All-ones for the first `count` lanes, read from a sliding window over ones followed by zeros.
inline constexpr std::array<std::int32_t, 16> kOnesThenZeros{-1, -1, -1, -1, -1, -1, -1, -1};
inline __m256i first_lanes(Index count, int words) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kOnesThenZeros.data() + 8 - count * words));
}
inline Pack<float> load_partial(const float* from, Index count) {
  return (Pack<float>)_mm256_maskload_ps(from, first_lanes(count, 1));
}
inline Pack<double> load_partial(const double* from, Index count) {
  return (Pack<double>)_mm256_maskload_pd(from, first_lanes(count, 2));
}
inline void store_partial(float* to, Pack<float> pack, Index count) {
  _mm256_maskstore_ps(to, first_lanes(count, 1), (__m256)pack);
}
inline void store_partial(double* to, Pack<double> pack, Index count) {
  _mm256_maskstore_pd(to, first_lanes(count, 2), (__m256d)pack);
}
#else
template <class T>
inline Pack<T> load_partial(const T* from, Index count) {
  Pack<T> pack{};
  std::memcpy(&pack, from, std::size_t(count) * sizeof(T));
  return pack;
}
template <class T>
inline void store_partial(T* to, Pack<T> pack, Index count) {
  std::memcpy(to, &pack, std::size_t(count) * sizeof(T));
}
#endif

// n rounded up to whole packs: buffers of this size allow full steps throughout, whose stores later loads of
// any kind can be served from at once, which those of partial steps cannot.
template <class T>
inline constexpr Index padded(Index n) {
  return (n + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
}

// How many lanes of a step are real: all of them, or the first few at the end of a row.
template <class T>
struct AllLanes {
  Pack<T> load(const T* from) const { return simd::load(from); }
  void store(T* to, Pack<T> pack) const { simd::store(to, pack); }
};
template <class T>
struct FirstLanes {
  Index count;
  Pack<T> load(const T* from) const { return load_partial(from, count); }
  void store(T* to, Pack<T> pack) const { store_partial(to, pack, count); }
};

// Calls body(i, lanes) for i = 0, kLanes, ... over n elements; lanes is AllLanes, or FirstLanes for the rest.
template <class T, class Body>
inline __attribute__((always_inline)) void for_lanes(Index n, Body&& body) {
  Index i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) body(i, AllLanes<T>{});
  if (i < n) body(i, FirstLanes<T>{n - i});
}

// Every lane plus the lane that is kApart away.
template <class T, int kApart, int... i>
inline Pack<T> fold(Pack<T> pack, std::integer_sequence<int, i...>) {
  return pack + __builtin_shufflevector(pack, pack, (i ^ kApart)...);
}

// The sum of all lanes.
template <class T>
inline T sum(Pack<T> pack) {
  constexpr int n = int(kLanes<T>);
  constexpr std::make_integer_sequence<int, n> all;
  if constexpr (n > 8) pack = fold<T, 8>(pack, all);
  if constexpr (n > 4) pack = fold<T, 4>(pack, all);
  if constexpr (n > 2) pack = fold<T, 2>(pack, all);
  return fold<T, 1>(pack, all)[0];
}

// One step of the transposed sum: of every 2 kBlock lanes, the first half from a and the second from b, each
// lane the sum of two that are kBlock apart.
template <class T, int kBlock, int... i>
inline Pack<T> merge(Pack<T> a, Pack<T> b, std::integer_sequence<int, i...>) {
  constexpr int n = int(kLanes<T>), group = 2 * kBlock;
  const auto low = __builtin_shufflevector(
      a, b, (i / group * group + i % group % kBlock + (i % group < kBlock ? 0 : n))...);
  const auto high = __builtin_shufflevector(
      a, b, (i / group * group + i % group % kBlock + kBlock + (i % group < kBlock ? 0 : n))...);
  return low + high;
}

// Lane r of the result is the sum of packs[r], for all kLanes packs at once; packs is overwritten.
template <class T>
inline __attribute__((always_inline)) Pack<T> sums(Pack<T> (&packs)[kLanes<T>]) {
  constexpr int n = int(kLanes<T>);
  constexpr std::make_integer_sequence<int, n> all;
  const auto halve = [&]<int kBlock>() __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < n / (2 * kBlock); ++r)
      packs[r] = merge<T, kBlock>(packs[2 * r], packs[2 * r + 1], all);
  };
  halve.template operator()<1>();
  if constexpr (n > 2) halve.template operator()<2>();
  if constexpr (n > 4) halve.template operator()<4>();
  if constexpr (n > 8) halve.template operator()<8>();
  return packs[0];
}

// Whether every value is finite: a sum of products with 0 is 0 unless something was not. Without an early
// exit it runs at the speed of memory.
template <class T>
inline bool all_finite(const T* values, Index count) {
  Pack<T> zeros{};
  for_lanes<T>(count, [&](Index i, auto lanes) { zeros += T(0) * lanes.load(values + i); });
  return sum<T>(zeros) == T(0);
}

// The sum of the absolute values.
template <class T>
inline T sum_of_sizes(const T* values, Index count) {
  Pack<T> sizes{};
  for_lanes<T>(count, [&](Index k, auto lanes) {
    const Pack<T> pack = lanes.load(values + k);
    sizes += pack > 0 ? pack : -pack;
  });
  return sum<T>(sizes);
}

// Constants of the exponential's range reduction, x = k ln 2 + r with |r| <= ln 2 / 2.
template <class T>
struct ExpConstants;
template <>
struct ExpConstants<float> {
  static constexpr int kMantissa = 23, kBias = 127, kTerms = 8;
  static constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  static constexpr float kSmallest = -87.0f;  // e^x is normal above
};
template <>
struct ExpConstants<double> {
  static constexpr int kMantissa = 52, kBias = 1023, kTerms = 14;
  static constexpr double kRounder = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double kLn2High = 0.693147180369123816490, kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kSmallest = -708.0;
};

// 2^k and e^r - 1 for x = k ln 2 + r in [kSmallest, 0], so that e^x = scale (e^r - 1) + scale.
template <class T>
struct ReducedExp {
  Pack<T> scale, em1;
};

template <class T>
inline ReducedExp<T> reduced_exp(Pack<T> x) {
  using C = ExpConstants<T>;
  const Pack<T> shifted = x * T(1.44269504088896340736) + C::kRounder;
  const Pack<T> k = shifted - C::kRounder;
  const Pack<T> r = (x - k * C::kLn2High) - k * C::kLn2Low;
  // (e^r - 1 - r) / r^2 by its Taylor series: the interval is short enough. Two terms a step, because the
  // chain of dependent operations is what takes the time.
  T factorial = 1;
  std::array<T, C::kTerms + 1> inverse{};
  for (int i = 2; i <= C::kTerms; ++i) inverse[std::size_t(i)] = T(1) / (factorial *= T(i));
  const Pack<T> square = r * r;
  Pack<T> series = broadcast(inverse[C::kTerms]);
  for (int i = C::kTerms - 2; i >= 2; i -= 2)
    series = series * square + (inverse[std::size_t(i + 1)] * r + inverse[std::size_t(i)]);
  IntegerPack<T> bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  IntegerPack<T> rounder;
  const Pack<T> rounders = broadcast(C::kRounder);
  std::memcpy(&rounder, &rounders, sizeof rounder);
  bits = (bits - rounder + C::kBias) << C::kMantissa;
  ReducedExp<T> result;
  std::memcpy(&result.scale, &bits, sizeof bits);
  result.em1 = series * square + r;
  return result;
}

// The sign bit of every lane, and the rest.
template <class T>
inline IntegerPack<T> sign_bits(Pack<T> x) {
  IntegerPack<T> bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits & (IntegerPack<T>{} + std::numeric_limits<typename PackOf<T>::integer>::min());
}

// x with the bits of `flips` inverted.
template <class T>
inline Pack<T> flip(Pack<T> x, IntegerPack<T> flips) {
  IntegerPack<T> bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits ^= flips;
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}

// The smaller of x and the limit; NaN stays.
template <class T>
inline Pack<T> at_most(Pack<T> x, T limit) {
#if defined(__AVX512F__)
  // The masked forms with all lanes on are the plain instructions, without the undefined operand that GCC 12
  // warns of in the plain forms.
  if constexpr (sizeof(T) == 4)
    return (Pack<T>)_mm512_maskz_min_ps(__mmask16(-1), (__m512)broadcast(limit), (__m512)x);
  else
    return (Pack<T>)_mm512_maskz_min_pd(__mmask8(-1), (__m512d)broadcast(limit), (__m512d)x);
#else
  return limit < x ? broadcast(limit) : x;
#endif
}

template <class T>
inline Pack<T> sqrt(Pack<T> x) {
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    return (Pack<T>)_mm512_maskz_sqrt_ps(__mmask16(-1), (__m512)x);
  else
    return (Pack<T>)_mm512_maskz_sqrt_pd(__mmask8(-1), (__m512d)x);
#elif defined(__AVX__)
  if constexpr (sizeof(T) == 4)
    return (Pack<T>)_mm256_sqrt_ps((__m256)x);
  else
    return (Pack<T>)_mm256_sqrt_pd((__m256d)x);
#else
  for (Index l = 0; l < kLanes<T>; ++l) x[l] = std::sqrt(x[l]);
  return x;
#endif
}

// tanh(x) = -e / (e + 2) with e = exp(-2|x|) - 1; relative error of a few units in the last place everywhere.
template <class T>
inline Pack<T> tanh(Pack<T> x) {
  const IntegerPack<T> sign = sign_bits<T>(x);
  // Beyond 20, tanh is 1 in both precisions; the bound also keeps the exponential in range.
  const Pack<T> bounded = at_most<T>(flip<T>(x, sign), T(20));
  const auto [scale, em1] = reduced_exp<T>(T(-2) * bounded);
  const Pack<T> e = scale * em1 + (scale - T(1));
  return flip<T>(-e, sign) / (e + T(2));
}

// 1 / (1 + exp(-x)), computed from exp(-|x|) so that neither tail loses its relative precision.
template <class T>
inline Pack<T> logistic(Pack<T> x) {
  const Pack<T> bounded = at_most<T>(flip<T>(x, sign_bits<T>(x)), -ExpConstants<T>::kSmallest);
  const auto [scale, em1] = reduced_exp<T>(-bounded);
  const Pack<T> e = scale * em1 + scale;
  const Pack<T> upper = T(1) / (T(1) + e);
  return x < T(0) ? e * upper : upper;
}

}  // namespace ebp::simd

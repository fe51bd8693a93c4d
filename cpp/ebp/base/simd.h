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

// One step of the transposed sum. Packs are groups of kGroup lanes, and these are units of kUnit lanes: the
// first half of each group of the result holds sums of two neighbouring units of a's group, the second of
// b's. Instructions exist for such choices within 16 bytes and of 16 bytes.
template <class T, int kUnit, int kGroup, int... i>
inline Pack<T> merge(Pack<T> a, Pack<T> b, std::integer_sequence<int, i...>) {
  constexpr int n = int(kLanes<T>);
  constexpr auto even = [](int lane) {
    const int in_group = lane % kGroup, in_half = in_group % (kGroup / 2);
    const int from = lane - in_group + in_half / kUnit * 2 * kUnit + in_half % kUnit;
    return in_group < kGroup / 2 ? from : n + from;
  };
  return __builtin_shufflevector(a, b, even(i)...) + __builtin_shufflevector(a, b, (even(i) + kUnit)...);
}

// Lane r of the result is the sum of packs[r]. Fewer sums than lanes, a power of two, are repeated. The packs
// are overwritten.
template <class T, int kCount>
inline __attribute__((always_inline)) Pack<T> sums(Pack<T> (&packs)[kCount]) {
  constexpr int n = int(kLanes<T>), unit = 16 / int(sizeof(T));
  constexpr std::make_integer_sequence<int, n> all;
  const auto halve = [&]<int kUnit, int kGroup, int kNow>() __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < (kNow + 1) / 2; ++r)
      packs[r] = merge<T, kUnit, kGroup>(packs[2 * r], packs[std::min(2 * r + 1, kNow - 1)], all);
  };
  const auto left = [](int levels) constexpr { return std::max(kCount >> levels, 1); };
  halve.template operator()<1, unit, kCount>();
  if constexpr (unit > 2) halve.template operator()<1, unit, left(1)>();
  constexpr int kWithin = unit > 2 ? 2 : 1;
  if constexpr (n > unit) halve.template operator()<unit, n, left(kWithin)>();
  if constexpr (n > 2 * unit) halve.template operator()<unit, n, left(kWithin + 1)>();
  return packs[0];
}

// The lanes of a before `first`, and those of b from there on.
template <class T, int... i>
inline Pack<T> from_lane(Index first, Pack<T> a, Pack<T> b, std::integer_sequence<int, i...>) {
  constexpr IntegerPack<T> lanes{i...};
  return lanes < typename PackOf<T>::integer(first) ? a : b;
}
template <class T>
inline Pack<T> from_lane(Index first, Pack<T> a, Pack<T> b) {
  return from_lane<T>(first, a, b, std::make_integer_sequence<int, int(kLanes<T>)>{});
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
  static constexpr int kMantissa = 23, kBias = 127, kTerms = 7;
  static constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  static constexpr float kSmallest = -87.0f;  // e^x is normal above
};
template <>
struct ExpConstants<double> {
  static constexpr int kMantissa = 52, kBias = 1023, kTerms = 13;
  static constexpr double kRounder = 6755399441055744.0;  // 1.5 * 2^52
  static constexpr double kLn2High = 0.693147180369123816490, kLn2Low = 1.90821492927058770002e-10;
  static constexpr double kSmallest = -708.0;
};

// What x times log2(e) gives, rounded to an integer k: k itself, and 2^k.
template <class T>
struct Exponent {
  Pack<T> k, scale;

  // `shifted` is the product plus kRounder, whose last bits the integer is.
  explicit Exponent(Pack<T> shifted) : k(shifted - ExpConstants<T>::kRounder) {
    using C = ExpConstants<T>;
    IntegerPack<T> bits, rounder;
    const Pack<T> rounders = broadcast(C::kRounder);
    std::memcpy(&bits, &shifted, sizeof bits);
    std::memcpy(&rounder, &rounders, sizeof rounder);
    bits = (bits - rounder + C::kBias) << C::kMantissa;
    std::memcpy(&scale, &bits, sizeof bits);
  }
};

// e^r - 1 for |r| <= ln 2 / 2, by the Taylor series of (e^r - 1 - r) / r^2: the interval is short enough. Two
// terms a step, because the chain of dependent operations is what takes the time.
template <class T>
inline __attribute__((always_inline)) Pack<T> short_expm1(Pack<T> r) {
  constexpr int kTerms = ExpConstants<T>::kTerms;
  static_assert(kTerms % 2 == 1, "terms are taken in pairs, from 2 on");
  T factorial = 1;
  std::array<T, kTerms + 1> inverse{};
  for (int i = 2; i <= kTerms; ++i) inverse[std::size_t(i)] = T(1) / (factorial *= T(i));
  const Pack<T> square = r * r;
  Pack<T> series = inverse[kTerms] * r + inverse[kTerms - 1];
  for (int i = kTerms - 3; i >= 2; i -= 2)
    series = series * square + (inverse[std::size_t(i + 1)] * r + inverse[std::size_t(i)]);
  return series * square + r;
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

inline constexpr double kLog2E = 1.44269504088896340736;

// tanh(x) = -e / (e + 2) with e = exp(-2|x|) - 1; relative error of a few units in the last place everywhere.
template <class T>
inline __attribute__((always_inline)) Pack<T> tanh(Pack<T> x) {
  using C = ExpConstants<T>;
  const IntegerPack<T> sign = sign_bits<T>(x);
  // Beyond 20, tanh is 1 in both precisions; the bound also keeps the exponential in range.
  const Pack<T> bounded = at_most<T>(flip<T>(x, sign), T(20));
  const Exponent<T> exponent(bounded * T(-2 * kLog2E) + C::kRounder);
  // The error of k ln 2 in T, times 2^k, is less than a unit in the last place.
  const Pack<T> em1 = short_expm1<T>(T(-2) * bounded - exponent.k * (C::kLn2High + C::kLn2Low));
  const Pack<T> minus_e = (T(1) - exponent.scale) - exponent.scale * em1;
  return flip<T>(minus_e, sign) / (exponent.scale * em1 + (exponent.scale + T(1)));
}

// 1 / (1 + exp(-x)), computed from exp(-|x|) so that neither tail loses its relative precision.
template <class T>
inline Pack<T> logistic(Pack<T> x) {
  using C = ExpConstants<T>;
  const Pack<T> bounded = at_most<T>(flip<T>(x, sign_bits<T>(x)), -C::kSmallest);
  const Exponent<T> exponent(bounded * T(-kLog2E) + C::kRounder);
  const Pack<T> r = (-bounded - exponent.k * C::kLn2High) - exponent.k * C::kLn2Low;
  const Pack<T> e = exponent.scale * short_expm1<T>(r) + exponent.scale;
  const Pack<T> upper = T(1) / (T(1) + e);
  return x < T(0) ? e * upper : upper;
}

}  // namespace ebp::simd

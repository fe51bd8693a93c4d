#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "ebp/base/simd.h"

namespace ebp::simd {

TEST_CASE_TEMPLATE("sums of packs", T, float, double) {
  constexpr Index n = kLanes<T>;
  Pack<T> packs[kLanes<T>];
  std::vector<T> expected;
  for (Index r = 0; r < n; ++r) {
    T total = 0;
    for (Index i = 0; i < n; ++i) {
      packs[r][i] = T(100 * r + i * i);
      total += T(100 * r + i * i);
    }
    expected.push_back(total);
    CHECK(sum<T>(packs[r]) == total);
  }
  const Pack<T> all = sums<T>(packs);
  for (Index r = 0; r < n; ++r) CHECK(all[r] == expected[std::size_t(r)]);
}

template <class T, int kCount>
void check_sums_of() {
  Pack<T> packs[kCount];
  for (Index r = 0; r < kCount; ++r)
    for (Index i = 0; i < kLanes<T>; ++i) packs[r][i] = T(100 * r + i * i);
  T squares = 0;
  for (Index i = 0; i < kLanes<T>; ++i) squares += T(i * i);
  const Pack<T> all = sums<T>(packs);
  for (Index i = 0; i < kLanes<T>; ++i) CHECK(all[i] == T(100 * (i % kCount) * kLanes<T>) + squares);
  if constexpr (2 * kCount <= kLanes<T>) check_sums_of<T, 2 * kCount>();
}

TEST_CASE_TEMPLATE("sums of fewer packs than lanes repeat", T, float, double) { check_sums_of<T, 1>(); }

TEST_CASE_TEMPLATE("lanes of two packs", T, float, double) {
  Pack<T> a, b;
  for (Index i = 0; i < kLanes<T>; ++i) {
    a[i] = T(i);
    b[i] = std::numeric_limits<T>::quiet_NaN();
  }
  for (Index first = 0; first <= kLanes<T>; ++first) {
    const Pack<T> both = from_lane<T>(first, a, b);
    for (Index i = 0; i < kLanes<T>; ++i)
      if (i < first)
        CHECK(both[i] == T(i));
      else
        CHECK(std::isnan(both[i]));
  }
}

TEST_CASE_TEMPLATE("partial steps touch nothing beyond the end", T, float, double) {
  for (Index count = 0; count <= 3 * kLanes<T>; ++count) {
    // exactly as long as the data, so that the address sanitizer sees any step beyond it
    std::vector<T> from(static_cast<std::size_t>(count)), to(from.size());
    for (Index i = 0; i < count; ++i) from[std::size_t(i)] = T(i + 1);
    T total = 0;
    for_lanes<T>(count, [&](Index i, auto lanes) {
      const Pack<T> pack = lanes.load(from.data() + i);
      total += sum<T>(pack);
      lanes.store(to.data() + i, pack);
    });
    CHECK(to == from);
    CHECK(total == T(count * (count + 1) / 2));
  }
}

TEST_CASE_TEMPLATE("elementary functions", T, float, double) {
  for (double x : {-800.0, -90.0, -19.4, -3.0, -0.5, -1e-8, 0.0, 1e-8, 0.5, 3.0, 19.4, 90.0, 800.0}) {
    const T rounded = T(x);
    const double exact_tanh = std::tanh(double(rounded)),
                 exact_logistic = 1 / (1 + std::exp(-double(rounded)));
    const double unit = 4 * double(std::numeric_limits<T>::epsilon());
    CHECK(std::abs(double(tanh<T>(broadcast(rounded))[0]) - exact_tanh) <= unit * std::abs(exact_tanh));
    const double tiny = double(std::numeric_limits<T>::min());
    CHECK(std::abs(double(logistic<T>(broadcast(rounded))[0]) - exact_logistic) <=
          unit * exact_logistic + 2 * tiny);
  }
  CHECK(std::signbit(tanh<T>(broadcast(T(-0.0)))[0]));
  CHECK(!std::signbit(tanh<T>(broadcast(T(0.0)))[0]));
  const T infinity = std::numeric_limits<T>::infinity();
  CHECK(tanh<T>(broadcast(infinity))[0] == T(1));
  CHECK(tanh<T>(broadcast(-infinity))[0] == T(-1));
  const T nan = std::numeric_limits<T>::quiet_NaN();
  CHECK(std::isnan(tanh<T>(broadcast(nan))[0]));
  CHECK(std::isnan(logistic<T>(broadcast(nan))[0]));
}

TEST_CASE_TEMPLATE("finiteness of every position", T, float, double) {
  for (Index count : {Index(1), kLanes<T> - 1, kLanes<T>, 2 * kLanes<T> + 1})
    for (Index bad = 0; bad < count; ++bad)
      for (T value : {std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()}) {
        std::vector<T> data(static_cast<std::size_t>(count), std::numeric_limits<T>::max());
        CHECK(all_finite(data.data(), count));
        data[std::size_t(bad)] = value;
        CHECK_FALSE(all_finite(data.data(), count));
      }
}

}  // namespace ebp::simd

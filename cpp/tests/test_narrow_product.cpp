#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include "ebp/base/narrow_product.h"
#include "tests/networks.h"

namespace ebp::tests {
namespace {

// C (m, n) = A B + beta C with a(i, p) and b(p, j), in double precision.
template <class T, class A, class B>
AlignedVector<T> naive(Index m, Index n, Index k, A&& a, B&& b, T beta, const AlignedVector<T>& c) {
  AlignedVector<T> result(c);
  for (Index i = 0; i < m; ++i)
    for (Index j = 0; j < n; ++j) {
      double sum = beta == T(0) ? 0.0 : double(beta) * double(c[std::size_t(i * n + j)]);
      for (Index p = 0; p < k; ++p) sum += double(a(i, p)) * double(b(p, j));
      result[std::size_t(i * n + j)] = T(sum);
    }
  return result;
}

template <class T>
void check_products() {
  const double tolerance = 1e-4 * (std::is_same_v<T, float> ? 1 : 1e-8);
  for (Index m : {1, 2, 4, 7, 13})
    for (Index n : {1, 3, 8, 17, 51})
      for (Index k : {1, 5, 64, 259, 600})
        for (T beta : {T(0), T(1), T(0.5)}) {
          const auto a = values<T>(m * k, 1), b = values<T>(n * k, 2);
          auto c = values<T>(m * n, 3);
          if (beta == T(0)) c.assign(c.size(), std::numeric_limits<T>::quiet_NaN());
          auto got = c;
          narrow::dot<T>(m, n, k, {a.data(), k}, {b.data(), k}, beta, {got.data(), n});
          auto expected = naive<T>(
              m, n, k, [&](Index i, Index p) { return a[std::size_t(i * k + p)]; },
              [&](Index p, Index j) { return b[std::size_t(j * k + p)]; }, beta, c);
          CHECK(largest_difference(got.data(), expected.data(), m * n) < tolerance);
          auto square = values<T>(m * m, 4);
          if (beta == T(0)) square.assign(square.size(), std::numeric_limits<T>::quiet_NaN());
          auto lower = square;
          narrow::dot_lower<T>(m, k, {a.data(), k}, beta, {lower.data(), m});
          const auto whole = naive<T>(
              m, m, k, [&](Index i, Index p) { return a[std::size_t(i * k + p)]; },
              [&](Index p, Index j) { return a[std::size_t(j * k + p)]; }, beta, square);
          for (Index i = 0; i < m; ++i) {
            CHECK(largest_difference(lower.data() + i * m, whole.data() + i * m, i + 1) < tolerance);
            const std::size_t above = std::size_t(i * m + i + 1), bytes = std::size_t(m - i - 1) * sizeof(T);
            CHECK(std::memcmp(lower.data() + above, square.data() + above, bytes) == 0);
          }
          got = c;
          narrow::outer<T>(m, n, k, {a.data(), m}, {b.data(), n}, beta, {got.data(), n});
          expected = naive<T>(
              m, n, k, [&](Index i, Index p) { return a[std::size_t(p * m + i)]; },
              [&](Index p, Index j) { return b[std::size_t(p * n + j)]; }, beta, c);
          CHECK(largest_difference(got.data(), expected.data(), m * n) < tolerance);
          for (const T value : got) CHECK(std::isfinite(value));
        }
}

}  // namespace

TEST_CASE("narrow products equal plain sums, whatever C held before") {
  check_products<float>();
  check_products<double>();
}

TEST_CASE("an element of a narrow product does not depend on the rows beside it") {
  const Index m = 13, n = 9, k = 133;
  const auto a = values<float>(m * k, 1), b = values<float>(n * k, 2);
  AlignedVector<float> all(static_cast<std::size_t>(m * n)), one(static_cast<std::size_t>(n));
  narrow::dot<float>(m, n, k, {a.data(), k}, {b.data(), k}, 0.0f, {all.data(), n});
  for (Index row = 0; row < m; ++row) {
    narrow::dot<float>(1, n, k, {a.data() + row * k, k}, {b.data(), k}, 0.0f, {one.data(), n});
    for (Index j = 0; j < n; ++j) CHECK(one[std::size_t(j)] == all[std::size_t(row * n + j)]);
  }
}

}  // namespace ebp::tests

#include <doctest/doctest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "ebp/curvature/hessian.h"
#include "tests/networks.h"

namespace ebp::tests {
namespace {

// A network with rows for several blocks, some of them weighted.
template <class T>
struct Problem {
  explicit Problem(std::unique_ptr<Network<T>> given, Index rows = 531)
      : network(std::move(given)),
        n(rows),
        p(network->n_parameters()),
        x(values<T>(n * network->n_inputs(), 1)),
        t(values<T>(n * network->n_outputs(), 2)),
        weights(values<T>(n, 3)) {
    for (T& weight : weights) weight = weight * weight;
  }

  Batch<T> batch() const { return {n, x.data(), t.data(), weights.data()}; }
  const T* theta() const { return network->parameters(); }
  AlignedVector<T> matrix(Hessian kind, Index n_threads) const {
    AlignedVector<T> h(static_cast<std::size_t>(p * p));
    hessian(*network, theta(), batch(), kind, n_threads, h.data());
    return h;
  }

  std::unique_ptr<Network<T>> network;
  Index n, p;
  AlignedVector<T> x, t, weights;
};

template <class T>
std::vector<Problem<T>> problems() {
  std::vector<Problem<T>> list;
  list.emplace_back(make_network<T>({5, 4, 3}));
  list.emplace_back(make_network<T>({3, 6, 2}, Function::kTanh, "cross_entropy", false));
  list.emplace_back(make_shared_network<T>());
  return list;
}

}  // namespace

TEST_CASE("products are those of the matrix, kept or not, at any number of threads") {
  for (const auto& problem : problems<double>())
    for (Hessian kind : {Hessian::kExact, Hessian::kGaussNewton})
      for (Index most_kept : {Index(1) << 30, Index(0)})
        for (Index n_threads : {1, 2, 3}) {
          const Index p = problem.p;
          const HessianProduct<double> product(*problem.network, problem.theta(), problem.batch(), kind,
                                               n_threads, most_kept);
          const auto v = values<double>(p, 4), h = problem.matrix(kind, 1);
          AlignedVector<double> expected(std::size_t(p), 0.0), got(std::size_t(p), 7.0);
          for (Index i = 0; i < p; ++i)
            for (Index j = 0; j < p; ++j)
              expected[std::size_t(i)] += h[std::size_t(i * p + j)] * v[std::size_t(j)];
          product.apply(v.data(), got.data());
          CHECK(largest_difference(got.data(), expected.data(), p) < 1e-9);
        }
}

TEST_CASE("one product serves several threads at a time") {
  const Problem<float> problem(make_network<float>({5, 4, 3}));
  const HessianProduct<float> product(*problem.network, problem.theta(), problem.batch(), Hessian::kExact, 2);
  const auto v = values<float>(problem.p, 4);
  AlignedVector<float> first(v.size());
  product.apply(v.data(), first.data());
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int k = 0; k < 4; ++k)
    threads.emplace_back([&] {
      AlignedVector<float> result(v.size());
      for (int repeat = 0; repeat < 5; ++repeat) {
        product.apply(v.data(), result.data());
        if (result != first) ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("matrices and diagonals do not depend on the number of threads") {
  for (const auto& problem : problems<double>())
    for (Hessian kind : {Hessian::kExact, Hessian::kGaussNewton}) {
      const Index p = problem.p;
      const auto one = problem.matrix(kind, 1), three = problem.matrix(kind, 3);
      CHECK(largest_difference(one.data(), three.data(), p * p) < 1e-10);
      for (Index n_threads : {1, 2, 1000}) {
        std::vector<double> diagonal(static_cast<std::size_t>(p)), expected;
        hessian_diagonal(*problem.network, problem.theta(), problem.batch(), kind, n_threads,
                         diagonal.data());
        for (Index k = 0; k < p; ++k) expected.push_back(one[std::size_t(k * p + k)]);
        CHECK(largest_difference(diagonal.data(), expected.data(), p) < 1e-10);
      }
    }
}

TEST_CASE("loss and gradient at another point, shared among threads") {
  for (const auto& problem : problems<double>()) {
    const auto theta = values<double>(problem.p, 9);
    std::vector<double> one(static_cast<std::size_t>(problem.p)), three(one.size());
    const double loss = loss_and_gradient(*problem.network, theta.data(), problem.batch(), 1, one.data());
    CHECK(loss_and_gradient(*problem.network, theta.data(), problem.batch(), 3, three.data()) ==
          doctest::Approx(loss));
    CHECK(largest_difference(one.data(), three.data(), problem.p) < 1e-10);
    const double step = 1e-6;
    auto moved = theta;
    moved[1] += step;
    const double ahead = loss_and_gradient(*problem.network, moved.data(), problem.batch(), 1, three.data());
    CHECK((ahead - loss) / step == doctest::Approx(one[1]).epsilon(1e-3));
  }
}

TEST_CASE("what a thread throws reaches the caller when all have ended") {
  std::atomic<int> ended{0};
  const auto work = [&](Index k) {
    ++ended;
    if (k != 1) throw std::runtime_error("thread " + std::to_string(k));
  };
  CHECK_THROWS_WITH_AS(parallel(4, work), "thread 0", std::runtime_error);
  CHECK(ended == 4);
  CHECK_THROWS_WITH_AS(parallel(1, work), "thread 0", std::runtime_error);
}

}  // namespace ebp::tests

// Blocks and threads change nothing but rounding; the sanitizers watch them here.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "ebp/base/blas.h"
#include "ebp/base/team.h"
#include "ebp/nn/pool.h"
#include "ebp/online/blocked_dense.h"
#include "ebp/online/trainer.h"
#include "tests/networks.h"

namespace ebp::tests {
namespace {

constexpr Index kSamples = 100, kInputs = 264, kHidden = 257, kOutputs = 3;  // two layers worth sharing

RuleOptions sgd(Momentum form, double momentum, double decay) {
  return {0.002, momentum, form, decay, 0, SgdOptions{}};
}

RuleOptions sdlm(double momentum, double decay) {
  return {5e-5, momentum, Momentum::kHeavyBall, decay, 0, SdlmOptions{0.1, 20}};
}

template <class T>
struct Trained {
  std::unique_ptr<Network<T>> network =
      make_network<T>({kInputs, kHidden, kHidden, kOutputs}, Function::kTanh, "squared_error", true);
  std::vector<double> losses = std::vector<double>(kSamples);

  Trained(const RuleOptions& options, EngineKind kind, int n_threads) {
    const auto x = values<T>(kSamples * kInputs, 1), t = values<T>(kSamples * kOutputs, 2);
    std::vector<Index> order(kSamples);
    std::iota(order.begin(), order.end(), Index(0));
    Trainer<T> trainer(*network, options);
    const Samples<T> samples{x.data(), kInputs, t.data(), nullptr, {}};
    const Outcome outcome = trainer.train(samples, order.data(), kSamples, {1}, nullptr, losses.data(),
                                          nullptr, nullptr, kind, n_threads);
    CHECK(outcome.status == Status::kOk);
  }

  double difference(const Trained& other) const {
    return largest_difference(network->parameters(), other.network->parameters(), network->n_parameters());
  }
};

TEST_CASE("a team does every part of every round, and sees what was written before") {
  for (int size : {1, 2, 5}) {
    Team team(size);
    CHECK(team.size() == size);
    std::vector<long> sums(std::size_t(size), 0);
    for (long round = 1; round <= 1000; ++round)
      team.run([&](int part) { sums[std::size_t(part)] += round * (part + 1); });
    for (int part = 0; part < size; ++part) CHECK(sums[std::size_t(part)] == 500'500 * (part + 1));
  }
}

TEST_CASE("dealing gives everything to somebody, once") {
  for (int size : {1, 2, 5}) {
    Team team(size);
    for (Index n : {0, 1, 7, 100, 1000})
      for (Index step : {1, 32}) {
        std::vector<int> seen(std::size_t(n), 0);
        for (int round = 0; round < 100; ++round)
          team.deal(n, step, [&](const Share& share, int) {
            CHECK(share.begin % step == 0);
            CHECK(share.end == std::min(n, share.begin + step));
            for (Index k = share.begin; k < share.end; ++k) ++seen[std::size_t(k)];
          });
        CHECK(std::count(seen.begin(), seen.end(), 100) == n);
      }
  }
}

TEST_CASE("others work while the caller does something else") {
  Team team(3);
  std::vector<int> done(3, 0);
  std::atomic<bool> go;
  const auto work = [&](int part) {
    while (!go) std::this_thread::yield();
    done[std::size_t(part)] = part;
  };
  for (int round = 0; round < 100; ++round) {
    std::fill(done.begin(), done.end(), 0);
    go = false;
    team.start_others(work);
    CHECK(done == std::vector<int>{0, 0, 0});
    go = true;
    team.join();
    CHECK(done == std::vector<int>{0, 1, 2});
    team.run([&](int part) { done[std::size_t(part)] = 3; });
    CHECK(done == std::vector<int>{3, 3, 3});
  }
}

TEST_CASE("shares cover everything once, in whole steps") {
  for (Index n : {0, 1, 7, 16, 17, 100})
    for (int parts : {1, 2, 3, 7}) {
      Index covered = 0;
      for (int part = 0; part < parts; ++part) {
        const Share share(n, part, parts, 8);
        CHECK(share.begin == covered);
        CHECK((share.end == n || share.end % 8 == 0));
        covered = share.end;
      }
      CHECK(covered == n);
    }
}

TEST_CASE("blocks and threads make the updates of single samples") {
  for (const RuleOptions& options : {sgd(Momentum::kHeavyBall, 0, 0), sgd(Momentum::kHeavyBall, 0.5, 0.1),
                                     sgd(Momentum::kNesterov, 0.5, 0), sgd(Momentum::kAveraged, 0.5, 0.1),
                                     sgd(Momentum::kHeavyBall, 0, 2), sdlm(0, 0)}) {
    const Trained<double> plain(options, EngineKind::kStreaming, 1);
    for (int n_threads : {1, 2, 3}) {
      CHECK(plain.difference({options, EngineKind::kStreaming, n_threads}) < 1e-12);
      CHECK(plain.difference({options, EngineKind::kBlocked, n_threads}) < 1e-12);
    }
    const Trained<float> single(options, EngineKind::kStreaming, 2);
    CHECK(single.difference({options, EngineKind::kBlocked, 2}) < 1e-4);
  }
}

// One layer, whose outputs are to be `targets` (kSamples, kHidden), in blocks of `block_rows`; with several
// threads each block is prepared as soon as the one before is loaded.
AlignedVector<double> trained_in_blocks(const RuleOptions& options, Index block_rows, int n_threads,
                                        const AlignedVector<double>& x,
                                        const AlignedVector<double>& targets) {
  auto network = make_network<double>({kInputs, kHidden}, Function::kTanh);
  double* theta = network->parameters();
  RuleState<double> state(*network, options);
  Team team(n_threads);
  const Sigmoid<double> sigmoid{Function::kTanh, 0.05};
  BlockedDense<double> layer({kInputs, kHidden, true}, sigmoid, theta, 0, state, block_rows);
  layer.use(team);
  layer.let_others_work_ahead(true);
  CHECK(layer.works_ahead() == (n_threads > 1));
  layer.begin();
  const auto prepare = [&](Index start) {
    const Index rows = std::min(block_rows, kSamples - start);
    std::copy_n(x.data() + start * kInputs, rows * kInputs, layer.inputs_ahead());
    layer.prepare(rows);
    CHECK(layer.prepared() == rows);
  };
  AlignedVector<double> error(std::size_t(simd::padded<double>(kHidden)));
  for (Index sample = 0; sample < kSamples; ++sample) {
    if (layer.remaining() == 0) {
      if (layer.prepared() == 0) prepare(sample);
      layer.load();
      const Index next = sample + layer.remaining();
      if (layer.works_ahead() && next < kSamples) prepare(next);
    }
    const double* outputs = layer.forward(nullptr);
    for (Index j = 0; j < kHidden; ++j)
      error[std::size_t(j)] = outputs[j] - targets[std::size_t(sample * kHidden + j)];
    state.begin_update();
    layer.backward(error.data(), nullptr, nullptr, nullptr);
    state.end_update();
  }
  layer.finish();
  return {theta, theta + network->n_parameters()};
}

TEST_CASE("blocks of any size, by any number of threads, make the same updates") {
  const auto x = values<double>(kSamples * kInputs, 1), targets = values<double>(kSamples * kHidden, 2);
  for (const RuleOptions& options : {sgd(Momentum::kHeavyBall, 0, 0), sgd(Momentum::kNesterov, 0.5, 0.1)}) {
    const auto single = trained_in_blocks(options, 1, 1, x, targets);
    const auto start = make_network<double>({kInputs, kHidden}, Function::kTanh);
    CHECK(largest_difference(start->parameters(), single.data(), Index(single.size())) > 0.01);
    for (Index rows : {5, 16, 40, 64, 99, 100, 1000})
      for (int n_threads : {1, 2, 3}) {
        const auto found = trained_in_blocks(options, rows, n_threads, x, targets);
        CHECK(largest_difference(found.data(), single.data(), Index(single.size())) < 1e-12);
      }
  }
}

TEST_CASE("blocks grow with the layer") {
  const auto rows = [](Index i, Index o) { return BlockedDense<float>::best_block_rows({i, o, true}); };
  CHECK(rows(20, 20) == 32);
  CHECK(rows(784, 300) == 48);
  CHECK(rows(784, 1000) == 80);
  CHECK(rows(4000, 4000) == 160);
}

// A shared convolution under pooling, one without, and more threads than maps.
template <class T>
AlignedVector<T> trained_convolutions(int n_threads) {
  const auto shape = [](Index maps_in, Index side, Index maps) {
    std::vector<Index> all(std::size_t(maps_in), 0);
    std::iota(all.begin(), all.end(), Index(0));
    return ConvShape(maps_in, side, side, maps, 5, 5, 1, Padding::kValid,
                     std::vector<std::vector<Index>>(std::size_t(maps), all));
  };
  Network<T> network(28 * 28, make_loss<T>("squared_error"));
  const auto add = [&](std::unique_ptr<Module<T>> module) { network.add(std::move(module), true); };
  add(std::make_unique<Conv2D<T>>(shape(1, 28, 5), true));
  add(std::make_unique<Activation<T>>(5 * 24 * 24, Function::kTanh, 0));
  add(std::make_unique<MaxPool2D<T>>(WindowGrid{5, 24, 24, 2, "MaxPool2D"}));
  add(std::make_unique<Conv2D<T>>(shape(5, 12, 9), true));
  add(std::make_unique<Activation<T>>(9 * 8 * 8, Function::kTanh, 0));
  add(std::make_unique<Dense<T>>(9 * 8 * 8, 2, true));
  const Index n = 20;
  auto theta = values<T>(network.n_parameters(), 3);
  for (T& value : theta) value *= T(0.1);
  std::copy(theta.begin(), theta.end(), network.parameters());
  const auto x = values<T>(n * 28 * 28, 1), t = values<T>(n * 2, 2);
  std::vector<Index> order(std::size_t(n), 0);
  std::iota(order.begin(), order.end(), Index(0));
  std::vector<double> losses(std::size_t(n), 0);
  Trainer<T> trainer(network, sgd(Momentum::kHeavyBall, 0.5, 0.01));
  const Samples<T> samples{x.data(), 28 * 28, t.data(), nullptr, {}};
  CHECK(trainer
            .train(samples, order.data(), n, {1}, nullptr, losses.data(), nullptr, nullptr,
                   EngineKind::kStreaming, n_threads)
            .status == Status::kOk);
  T* const end = network.parameters() + network.n_parameters();
  AlignedVector<T> learnt(network.parameters(), end);
  CHECK(largest_difference(learnt.data(), theta.data(), network.n_parameters()) > 1e-3);
  return learnt;
}

TEST_CASE("convolutions shared out among threads learn the same") {
  const auto one = trained_convolutions<double>(1);
  const auto single = trained_convolutions<float>(1);
  for (int n_threads : {2, 3, 11}) {
    const auto several = trained_convolutions<double>(n_threads);
    CHECK(largest_difference(one.data(), several.data(), Index(one.size())) < 1e-12);
    const auto few = trained_convolutions<float>(n_threads);
    CHECK(largest_difference(single.data(), few.data(), Index(single.size())) < 1e-4);
  }
}

TEST_CASE("runs end in the middle of a block, and others follow") {
  const Index hidden = 257;  // enough to be shared, and not whole vectors of float in the shares of threads
  for (const RuleOptions& options : {sgd(Momentum::kHeavyBall, 0.5, 0.1), sdlm(0, 0)})
    for (int n_threads : {1, 2, 3}) {
      auto network = make_network<float>({kInputs, hidden, kOutputs}, Function::kTanh);
      auto x = values<float>(kSamples * kInputs, 1);
      const auto t = values<float>(kSamples * kOutputs, 2);
      std::vector<Index> order(std::size_t(kSamples), 0);
      std::iota(order.begin(), order.end(), Index(0));
      std::vector<double> losses(std::size_t(kSamples), 0);
      Trainer<float> trainer(*network, options);
      const Samples<float> samples{x.data(), kInputs, t.data(), nullptr, {}};
      const auto train = [&](const Batches& batches) {
        return trainer.train(samples, order.data(), kSamples, batches, nullptr, losses.data(), nullptr,
                             nullptr, EngineKind::kBlocked, n_threads);
      };
      std::vector<Index> sizes(std::size_t(kSamples - 2), 1);
      sizes[40] = 3;  // 37 or 40 samples, three at once, and the rest
      CHECK(train({1, sizes.data()}).status == Status::kOk);
      x[35 * kInputs] = std::numeric_limits<float>::quiet_NaN();
      const Outcome stopped = train({1});
      CHECK(stopped.status == Status::kDiverged);
      CHECK(stopped.n_samples == 36);
      x[35 * kInputs] = 0;
      CHECK(train({1}).status == Status::kOk);
      CHECK(simd::all_finite(network->parameters(), network->n_parameters()));
    }
}

TEST_CASE("equal numbers of threads give equal bits") {
  const RuleOptions options = sgd(Momentum::kHeavyBall, 0.5, 0.1);
  for (EngineKind kind : {EngineKind::kStreaming, EngineKind::kBlocked}) {
    const Trained<float> one(options, kind, 3), other(options, kind, 3);
    CHECK(one.difference(other) == 0);
    CHECK(one.losses == other.losses);
  }
}

TEST_CASE("a rate for every weight can be blocked without momentum and decay") {
  const auto can_block = [](double momentum, double decay) {
    auto network = make_network<double>({4, 3, 2});
    const Trainer<double> trainer(*network, sdlm(momentum, decay));
    CHECK(trainer.chosen(EngineKind::kAuto) == EngineKind::kStreaming);  // too small
    try {
      return trainer.chosen(EngineKind::kBlocked) == EngineKind::kBlocked;
    } catch (const std::invalid_argument&) {
      return false;
    }
  };
  CHECK(can_block(0, 0));
  CHECK(!can_block(0.5, 0));
  CHECK(!can_block(0, 0.1));
}

TEST_CASE("products of parts of matrices") {
  const Index m = 5, n = 7, k = 6, a_stride = 9, b_stride = 11, c_stride = 13;
  const auto a = values<double>(20 * a_stride, 1), b = values<double>(20 * b_stride, 2);
  using enum blas::Op;
  for (auto op_a : {kPlain, kTransposed})
    for (auto op_b : {kPlain, kTransposed}) {
      auto c = values<double>(m * c_stride, 3);
      const auto before = c;
      blas::gemm<double>(op_a, op_b, m, n, k, {a.data(), a_stride}, {b.data(), b_stride}, 1.0,
                         {c.data(), c_stride});
      for (Index row = 0; row < m; ++row)
        for (Index column = 0; column < c_stride; ++column) {
          double expected = before[std::size_t(row * c_stride + column)];
          for (Index i = 0; i < (column < n ? k : 0); ++i)
            expected += a[std::size_t(op_a == kPlain ? row * a_stride + i : i * a_stride + row)] *
                        b[std::size_t(op_b == kPlain ? i * b_stride + column : column * b_stride + i)];
          CHECK(c[std::size_t(row * c_stride + column)] == doctest::Approx(expected));
        }
    }
}

TEST_CASE("the Gram matrix of rows") {
  const Index n = 6, k = 9;
  const auto a = values<float>(n * k, 1);
  AlignedVector<float> c(std::size_t(n * n), 77.0F);
  blas::syrk(blas::Op::kPlain, n, k, a.data(), 0.0F, c.data());
  for (Index row = 0; row < n; ++row)
    for (Index column = 0; column < n; ++column) {
      float expected = column > row ? 77.0F : 0.0F;
      for (Index i = 0; column <= row && i < k; ++i)
        expected += a[std::size_t(row * k + i)] * a[std::size_t(column * k + i)];
      CHECK(c[std::size_t(row * n + column)] == doctest::Approx(expected));
    }
}

}  // namespace
}  // namespace ebp::tests

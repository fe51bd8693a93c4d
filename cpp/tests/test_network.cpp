#include <doctest/doctest.h>

#include <cmath>
#include <thread>

#include "ebp/nn/tape.h"
#include "tests/networks.h"

namespace ebp::tests {
namespace {

double mean_loss(const Network<double>& network, Index n, const double* x, const double* t) {
  std::vector<double> losses(static_cast<std::size_t>(n));
  network.losses(n, x, t, losses.data());
  double sum = 0;
  for (double loss : losses) sum += loss;
  return sum / double(n);
}

}  // namespace

TEST_CASE("gradient against central differences") {
  for (const char* loss : {"squared_error", "cross_entropy", "binary_cross_entropy"})
    for (Function function :
         {Function::kScaledTanh, Function::kTanh, Function::kLogistic, Function::kIdentity}) {
      auto network = make_network<double>({5, 4, 3}, function, loss);
      const Index n = 7, p = network->n_parameters();
      const auto x = values<double>(n * 5, 1);
      auto t = values<double>(n * 3, 2);
      for (double& target : t) target = std::abs(target);
      std::vector<double> g(static_cast<std::size_t>(p));
      network->gradient(n, x.data(), t.data(), nullptr, g.data());
      double worst = 0, size = 0;
      for (Index k = 0; k < p; ++k) {
        double& w = network->parameters()[k];
        const double before = w, step = 6e-6;
        w = before + step;
        const double above = mean_loss(*network, n, x.data(), t.data());
        w = before - step;
        const double below = mean_loss(*network, n, x.data(), t.data());
        w = before;
        worst = std::max(worst, std::abs(g[std::size_t(k)] / double(n) - (above - below) / (2 * step)));
        size = std::max(size, std::abs(g[std::size_t(k)]) / double(n));
      }
      CAPTURE(loss);
      CHECK(size > 1e-3);
      CHECK(worst < 1e-7 * size);
    }
}

TEST_CASE("blocks of rows give what single rows give") {
  auto network = make_network<double>({6, 9, 2});
  const Index n = 2 * Tape<double>::block_rows(*network) + 3, p = network->n_parameters();
  const auto x = values<double>(n * 6, 1), t = values<double>(n * 2, 2), weights = values<double>(n, 3);
  std::vector<double> whole(static_cast<std::size_t>(p)), summed(whole.size()), single(whole.size());
  for (auto pass : {&Network<double>::gradient, &Network<double>::curvature}) {
    (*network.*pass)(n, x.data(), t.data(), weights.data(), whole.data());
    std::fill(summed.begin(), summed.end(), 0.0);
    for (Index row = 0; row < n; ++row) {
      (*network.*pass)(1, x.data() + row * 6, t.data() + row * 2, weights.data() + row, single.data());
      for (std::size_t k = 0; k < single.size(); ++k) summed[k] += single[k];
    }
    CHECK(largest_difference(whole.data(), summed.data(), p) < 1e-10);
  }
}

TEST_CASE("the jacobian times an output error is the gradient") {
  auto network = make_network<double>({4, 5, 3});
  const Index p = network->n_parameters();
  const auto x = values<double>(4, 1), t = values<double>(3, 2);
  std::vector<double> o(3), j(static_cast<std::size_t>(3 * p)), g(static_cast<std::size_t>(p)),
      product(g.size());
  network->forward(1, x.data(), o.data());
  network->jacobian(1, x.data(), j.data());
  network->gradient(1, x.data(), t.data(), nullptr, g.data());
  for (std::size_t k = 0; k < 3; ++k)
    for (std::size_t i = 0; i < g.size(); ++i) product[i] += (o[k] - t[k]) * j[k * g.size() + i];
  CHECK(largest_difference(g.data(), product.data(), p) < 1e-12);
}

TEST_CASE("misuse is reported") {
  CHECK_THROWS_AS(make_loss<float>("absolute"), std::invalid_argument);
  CHECK_THROWS_AS(function_from_name("sine"), std::invalid_argument);
  CHECK_THROWS_AS(Network<float>(0, make_loss<float>("squared_error")), std::invalid_argument);
  Network<float> network(3, make_loss<float>("squared_error"));
  CHECK_THROWS_AS(network.add(std::make_unique<Dense<float>>(4, 2, true), true), std::invalid_argument);
}

TEST_CASE("many threads may read at a time") {
  const auto network = make_network<float>({8, 16, 4});
  const auto x = values<float>(100 * 8, 1);
  std::vector<std::vector<float>> outputs(4, std::vector<float>(400));
  std::vector<std::thread> threads;
  for (auto& output : outputs)
    threads.emplace_back([&network, &x, &output] { network->forward(100, x.data(), output.data()); });
  for (auto& thread : threads) thread.join();
  for (const auto& output : outputs) CHECK(output == outputs[0]);
}

}  // namespace ebp::tests

#include <doctest/doctest.h>

#include <cmath>
#include <numeric>
#include <thread>

#include "ebp/online/trainer.h"
#include "tests/networks.h"
#include "tests/rules.h"

namespace ebp::tests {
namespace {

constexpr Index kSamples = 50, kInputs = 7, kOutputs = 3;

RuleOptions sgd(double rate, double momentum = 0, double decay = 0) {
  return {rate, momentum, Momentum::kHeavyBall, decay, SgdOptions{}};
}

RuleOptions sdlm(bool running, bool per_unit, double momentum = 0, double decay = 0) {
  return {0.01, momentum, Momentum::kHeavyBall, decay, SdlmOptions{0.02, 20, running, 0.05, per_unit}};
}

template <class T>
struct Data {
  AlignedVector<T> x = values<T>(kSamples * kInputs, 1), t = values<T>(kSamples * kOutputs, 2);
  std::vector<Index> order = std::vector<Index>(kSamples);
  std::vector<double> losses = std::vector<double>(kSamples);
  Data() { std::iota(order.begin(), order.end(), Index(0)); }
  Samples<T> samples() const { return {x.data(), kInputs, t.data(), nullptr, {}}; }
};

// Trains `streamed` by the engine and `expected` by the batch passes on single rows, and compares.
void check_updates(const RuleOptions& options, std::unique_ptr<Network<double>> streamed,
                   std::unique_ptr<Network<double>> expected) {
  Data<double> data;
  Trainer<double> trainer(*streamed, options);
  const Outcome outcome = trainer.train(data.samples(), data.order.data(), kSamples, {1}, nullptr,
                                        data.losses.data(), nullptr, nullptr);
  CHECK(outcome.status == Status::kOk);

  RuleState<double> state(*expected, options);
  const Index p = expected->n_parameters();
  AlignedVector<double> sum(static_cast<std::size_t>(p));
  if (const SdlmOptions* how = options.sdlm()) {
    expected->curvature(how->hessian_samples, data.x.data(), data.t.data(), nullptr, sum.data());
    for (double& value : sum) value /= double(how->hessian_samples);
    state.set_curvature(sum.data());
  }
  for (Index row = 0; row < kSamples; ++row) {
    const double *x = data.x.data() + row * kInputs, *t = data.t.data() + row * kOutputs;
    double loss;
    expected->losses(1, x, t, &loss);
    CHECK(data.losses[std::size_t(row)] == doctest::Approx(loss).epsilon(1e-9));
    if (options.running()) {
      expected->curvature(1, x, t, nullptr, sum.data());
      state.average_curvature(state.whole(), sum.data());
    }
    state.refresh_factors();
    expected->gradient(1, x, t, nullptr, sum.data());
    state.begin_update();
    state.apply(state.whole(), sum.data(), expected->parameters());
    state.end_update();
  }
  CHECK(largest_difference(streamed->parameters(), expected->parameters(), p) < 1e-9);
  AlignedVector<double> rates(static_cast<std::size_t>(p));
  trainer.state().rates(rates.data());
  state.rates(sum.data());
  CHECK(largest_difference(rates.data(), sum.data(), p) < 1e-9);
}

}  // namespace

TEST_CASE("one update a sample is the batch passes' gradient applied") {
  const auto dense = [] { return make_network<double>({kInputs, 19, 6, kOutputs}); };
  std::vector<RuleOptions> rules = adaptive_rules(0.02);
  for (const RuleOptions& options :
       {sgd(0.05), sgd(0.05, 0.9), sgd(0.05, 0.5, 0.01), sdlm(false, false), sdlm(false, true),
        sdlm(false, false, 0.9), sdlm(true, false), sdlm(true, true), sdlm(true, false, 0.5, 0.01),
        sdlm(true, true, 0.5, 0.01)})
    rules.push_back(options);
  for (const RuleOptions& options : rules) {
    check_updates(options, dense(), dense());
    check_updates(options, make_shared_network<double>(), make_shared_network<double>());
  }
}

TEST_CASE("layers without bias, and widths around the vectors'") {
  for (Index width : {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33}) {
    Data<float> data;
    auto single =
        make_network<float>({kInputs, width, kOutputs}, Function::kTanh, "squared_error", width % 2 == 0);
    auto whole =
        make_network<float>({kInputs, width, kOutputs}, Function::kTanh, "squared_error", width % 2 == 0);
    Trainer<float> one(*single, sgd(0.05, 0.5)), all(*whole, sgd(0.05, 0.5));
    for (Index row = 0; row < kSamples; ++row)
      one.learn_one(data.x.data() + row * kInputs, data.t.data() + row * kOutputs);
    all.train(data.samples(), data.order.data(), kSamples, {1}, nullptr, data.losses.data(), nullptr,
              nullptr);
    CHECK(largest_difference(single->parameters(), whole->parameters(), whole->n_parameters()) == 0);
  }
}

TEST_CASE("mini-batches use the mean gradient, the last one being smaller") {
  Data<double> data;
  auto trained = make_network<double>({kInputs, 5, kOutputs}),
       expected = make_network<double>({kInputs, 5, kOutputs});
  Trainer<double> trainer(*trained, sgd(0.1));
  trainer.train(data.samples(), data.order.data(), kSamples, {8}, nullptr, data.losses.data(), nullptr,
                nullptr);
  const Index p = expected->n_parameters();
  std::vector<double> g(static_cast<std::size_t>(p));
  for (Index start = 0; start < kSamples; start += 8) {
    const Index rows = std::min<Index>(8, kSamples - start);
    expected->gradient(rows, data.x.data() + start * kInputs, data.t.data() + start * kOutputs, nullptr,
                       g.data());
    for (Index k = 0; k < p; ++k) expected->parameters()[k] -= 0.1 * g[std::size_t(k)] / double(rows);
  }
  CHECK(largest_difference(trained->parameters(), expected->parameters(), p) < 1e-12);
}

TEST_CASE("divergence leaves the last good parameters") {
  Data<float> data;
  data.x[30 * kInputs] = std::nanf("");
  auto network = make_network<float>({kInputs, 5, kOutputs}, Function::kIdentity);
  Trainer<float> trainer(*network, sgd(0.01));
  const Outcome outcome = trainer.train(data.samples(), data.order.data(), kSamples, {1}, nullptr,
                                        data.losses.data(), nullptr, nullptr);
  CHECK(outcome.status == Status::kDiverged);
  CHECK(outcome.n_samples == 31);
  for (Index k = 0; k < network->n_parameters(); ++k) CHECK(std::isfinite(network->parameters()[k]));
  // saturated sigmoids hide an overflow from the loss
  auto wild = make_network<float>({kInputs, 5, kOutputs}, Function::kTanh);
  Trainer<float> wild_trainer(*wild, sgd(3e38));
  wild_trainer.train(Data<float>().samples(), data.order.data(), kSamples, {1}, nullptr, data.losses.data(),
                     nullptr, nullptr);
  for (Index k = 0; k < wild->n_parameters(); ++k) CHECK(std::isfinite(wild->parameters()[k]));
}

TEST_CASE("progress may stop or throw") {
  Data<double> data;
  auto network = make_network<double>({kInputs, 5, kOutputs});
  Trainer<double> trainer(*network, sgd(0.01));
  const auto run = [&](const Progress& progress) {
    return trainer.train(data.samples(), data.order.data(), kSamples, {1}, nullptr, data.losses.data(),
                         progress, nullptr);
  };
  CHECK(run([](Index, double) { return false; }).status == Status::kStopped);
  CHECK_THROWS_AS(run([](Index, double) -> bool { throw std::runtime_error("enough"); }), std::runtime_error);
  CHECK(run([](Index done, double loss) { return done > 0 && loss > 0; }).status == Status::kOk);
}

TEST_CASE("normalising on the way in equals normalising first") {
  Data<double> data;
  const auto shift = values<double>(kInputs, 4), factor = values<double>(kInputs, 5),
             matrix = values<double>(4 * kInputs, 6);
  for (bool is_matrix : {false, true}) {
    const Index inputs = is_matrix ? 4 : kInputs;
    AlignedVector<double> z(static_cast<std::size_t>(kSamples * inputs));
    for (Index row = 0; row < kSamples; ++row)
      for (Index i = 0; i < inputs; ++i) {
        double sum = 0;
        for (Index f = 0; f < kInputs; ++f)
          if (is_matrix || f == i)
            sum += (data.x[std::size_t(row * kInputs + f)] - shift[std::size_t(f)]) *
                   (is_matrix ? matrix[std::size_t(i * kInputs + f)] : factor[std::size_t(i)]);
        z[std::size_t(row * inputs + i)] = sum;
      }
    auto inside = make_network<double>({inputs, 5, kOutputs}),
         outside = make_network<double>({inputs, 5, kOutputs});
    Trainer<double> a(*inside, sgd(0.05)), b(*outside, sgd(0.05));
    Samples<double> samples = data.samples();
    samples.transform = {shift.data(), is_matrix ? matrix.data() : factor.data(), is_matrix};
    a.train(samples, data.order.data(), kSamples, {1}, nullptr, data.losses.data(), nullptr, nullptr);
    b.train({z.data(), inputs, data.t.data(), nullptr, {}}, data.order.data(), kSamples, {1}, nullptr,
            data.losses.data(), nullptr, nullptr);
    CHECK(largest_difference(inside->parameters(), outside->parameters(), inside->n_parameters()) < 1e-12);
  }
}

TEST_CASE("networks of their own train in threads of their own") {
  const Data<float> data;
  std::vector<std::unique_ptr<Network<float>>> networks;
  std::vector<std::thread> threads;
  for (int k = 0; k < 3; ++k) networks.push_back(make_network<float>({kInputs, 12, kOutputs}));
  for (auto& network : networks)
    threads.emplace_back([&data, &network] {
      std::vector<double> losses(kSamples);
      Trainer<float> trainer(*network, sdlm(true, false));
      trainer.train(data.samples(), data.order.data(), kSamples, {1}, nullptr, losses.data(), nullptr,
                    nullptr);
    });
  for (auto& thread : threads) thread.join();
  for (const auto& network : networks)
    CHECK(largest_difference(network->parameters(), networks[0]->parameters(), network->n_parameters()) == 0);
}

}  // namespace ebp::tests

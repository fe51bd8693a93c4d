// The streaming engine's layers against the batch passes on single rows and the rule applied to their sums.
#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "ebp/nn/pool.h"
#include "ebp/online/trainer.h"
#include "tests/networks.h"
#include "tests/rules.h"

namespace ebp::tests {
namespace {

constexpr Index kRows = 12;

std::vector<RuleOptions> rules() {
  const auto sdlm = [](bool running, bool per_unit, double momentum = 0, double decay = 0) {
    return RuleOptions{0.002, momentum, Momentum::kHeavyBall,
                       decay, 0,        SdlmOptions{0.5, 8, running, 0.05, per_unit}};
  };
  const auto sgd = [](double rate, double momentum, double decay, Scale scale = Scale::kNone,
                      Momentum form = Momentum::kHeavyBall) {
    return RuleOptions{rate, momentum, form, decay, 0, SgdOptions{scale}};
  };
  std::vector<RuleOptions> all = adaptive_rules(1e-3);
  all.insert(all.begin(),
             {sgd(0.001, 0, 0), sgd(0.001, 0.9, 0), sgd(0.001, 0, 0.01), sgd(0.01, 0.5, 0.01, Scale::kFanIn),
              sgd(1e-4, 0.5, 0.01, Scale::kLiteral, Momentum::kNesterov), sdlm(false, false),
              sdlm(false, true), sdlm(false, false, 0.9, 0.01), sdlm(true, false), sdlm(true, true),
              sdlm(true, false, 0.5, 0.01), sdlm(true, true, 0.5)});
  return all;
}

// Trains one network by the engine and a second one like it by the batch passes; the largest difference of
// the parameters, relative to how far they moved.
template <class T>
double difference_after(const RuleOptions& options, Network<T>& streamed, Network<T>& expected) {
  const Index i = streamed.n_inputs(), o = streamed.n_outputs(), p = streamed.n_parameters();
  const auto x = values<T>(kRows * i, 1), t = values<T>(kRows * o, 2);
  const AlignedVector<T> before(expected.parameters(), expected.parameters() + p);
  std::vector<Index> order(kRows);
  std::iota(order.begin(), order.end(), Index(0));
  std::vector<double> losses(kRows);
  Trainer<T> trainer(streamed, options);
  trainer.train({x.data(), i, t.data(), nullptr, {}}, order.data(), kRows, {1}, nullptr, losses.data(),
                nullptr, nullptr);

  RuleState<T> state(expected, options);
  AlignedVector<T> sum(static_cast<std::size_t>(p));
  if (const SdlmOptions* how = options.sdlm()) {
    expected.curvature(how->hessian_samples, x.data(), t.data(), nullptr, sum.data());
    for (T& value : sum) value /= T(how->hessian_samples);
    state.set_curvature(sum.data());
  }
  for (Index row = 0; row < kRows; ++row) {
    if (options.running()) {
      expected.curvature(1, x.data() + row * i, t.data() + row * o, nullptr, sum.data());
      state.average_curvature(state.whole(), sum.data());
    }
    state.refresh_factors();
    expected.gradient(1, x.data() + row * i, t.data() + row * o, nullptr, sum.data());
    state.begin_update();
    state.apply(state.whole(), sum.data(), expected.parameters());
    state.end_update();
  }
  const double moved = largest_difference(before.data(), expected.parameters(), p);
  CHECK(moved > 1e-4);
  return largest_difference(streamed.parameters(), expected.parameters(), p) / moved;
}

struct ConvCase {
  Index maps_in, height, width, maps_out, kernel_height, kernel_width, stride;
  Padding padding;
  std::vector<std::vector<Index>> sources;  // empty: full
  bool bias = true;

  ConvShape shape() const {
    auto table = sources;
    std::vector<Index> all(static_cast<std::size_t>(maps_in));
    std::iota(all.begin(), all.end(), Index(0));
    if (table.empty()) table.assign(std::size_t(maps_out), all);
    return {maps_in, height, width, maps_out, kernel_height, kernel_width, stride, padding, table};
  }
};

template <class T>
void randomise(Network<T>& network) {
  const auto theta = values<T>(network.n_parameters(), 7);
  for (const ParameterBlock& block : network.parameter_blocks())
    for (Index k = block.start; k < block.start + block.size(); ++k)
      network.parameters()[k] = theta[std::size_t(k)] / T(std::sqrt(double(block.fan_ins[0])));
}

// A convolution of the inputs, so that it passes nothing down, or with a scaled map below it; three outputs.
template <class T>
std::unique_ptr<Network<T>> conv_network(const ConvCase& c, bool is_first, Function function,
                                         Index pool = 1) {
  const ConvShape shape = c.shape();
  auto network = std::make_unique<Network<T>>(c.maps_in * c.height * c.width, make_loss<T>("squared_error"));
  const auto add = [&](std::unique_ptr<Module<T>> module) { network->add(std::move(module), true); };
  if (!is_first) add(std::make_unique<MapScale<T>>(c.maps_in, c.height * c.width, 1));
  add(std::make_unique<Conv2D<T>>(shape, c.bias));
  if (function != Function::kIdentity)
    add(std::make_unique<Activation<T>>(network->n_outputs(), function, 0.05));
  if (pool > 1)
    add(std::make_unique<MaxPool2D<T>>(
        WindowGrid(c.maps_out, shape.out_height, shape.out_width, pool, "MaxPool2D")));
  add(std::make_unique<Dense<T>>(network->n_outputs(), 3, true));
  randomise(*network);
  return network;
}

template <class T>
void check_conv(const ConvCase& c, const RuleOptions& options, Function function, Index pool = 1) {
  for (bool is_first : {true, false}) {
    auto streamed = conv_network<T>(c, is_first, function, pool),
         expected = conv_network<T>(c, is_first, function, pool);
    CAPTURE(is_first);
    CHECK(difference_after(options, *streamed, *expected) < (sizeof(T) == 8 ? 1e-10 : 2e-3));
  }
}

const std::vector<std::vector<Index>> kLenetTable{
    {0, 1, 2},    {1, 2, 3},    {2, 3, 4},    {3, 4, 5},         {0, 4, 5},    {0, 1, 5},
    {0, 1, 2, 3}, {1, 2, 3, 4}, {2, 3, 4, 5}, {0, 3, 4, 5},      {0, 1, 4, 5}, {0, 1, 2, 5},
    {0, 1, 3, 4}, {1, 2, 4, 5}, {0, 2, 3, 5}, {0, 1, 2, 3, 4, 5}};

}  // namespace

TEST_CASE("a convolution learns online by every rule what the batch passes say") {
  const ConvCase c{3, 7, 9, 5, 3, 3, 1, Padding::kValid, {{0}, {1, 2}, {0, 1, 2}, {2}, {0, 2}}};
  for (const RuleOptions& options : rules()) {
    check_conv<double>(c, options, Function::kScaledTanh);
    check_conv<float>(c, options, Function::kTanh);
  }
}

TEST_CASE("convolutions of all strides and paddings learn online") {
  Index k = 0;
  for (Index stride : {1, 2, 3})
    for (Padding padding : {Padding::kValid, Padding::kSame, Padding::kWrap})
      for (auto [kh, kw] : {std::pair<Index, Index>{1, 1}, {2, 3}, {5, 4}, {3, 9}}) {
        const RuleOptions options = rules()[std::size_t(k) % rules().size()];
        const ConvCase c{1 + k % 3, 5 + k % 4, 9 + k % 9, 1 + k % 7, kh, kw, stride, padding, {}, k % 4 != 3};
        check_conv<double>(c, options, k % 2 ? Function::kScaledTanh : Function::kIdentity);
        check_conv<float>(c, options, Function::kRelu);
        ++k;
      }
}

TEST_CASE("the convolutions of LeNet-5 learn online") {
  for (const RuleOptions& options : {rules()[0], rules()[5]}) {
    check_conv<double>({6, 14, 14, 16, 5, 5, 1, Padding::kValid, kLenetTable}, options,
                       Function::kScaledTanh);
    check_conv<double>({4, 5, 5, 12, 5, 5, 1, Padding::kValid, {}}, options, Function::kScaledTanh);
    check_conv<double>({1, 20, 20, 6, 5, 5, 1, Padding::kValid, {}}, options, Function::kScaledTanh);
  }
}

TEST_CASE("a convolution under max pooling learns online by every rule what the batch passes say") {
  const ConvCase c{3, 8, 10, 5, 3, 3, 1, Padding::kValid, {{0}, {1, 2}, {0, 1, 2}, {2}, {0, 2}}};
  for (const RuleOptions& options : rules()) {
    check_conv<double>(c, options, Function::kScaledTanh, 2);
    check_conv<float>(c, options, Function::kTanh, 2);
  }
}

TEST_CASE("max pooling of all sizes above all kernels and paddings") {
  Index k = 0;
  for (Index pool : {2, 3})
    for (Padding padding : {Padding::kValid, Padding::kSame, Padding::kWrap})
      for (auto [kh, kw] : {std::pair<Index, Index>{1, 1}, {2, 3}, {5, 5}, {7, 4}, {3, 9}}) {
        const RuleOptions options = rules()[std::size_t(k) % rules().size()];
        const Index extra = padding == Padding::kValid ? 1 : 0;  // so that the windows tile the outputs
        const ConvCase c{1 + k % 3,
                         6 * 2 + extra * (kh - 1),
                         6 * (2 + k % 3) + extra * (kw - 1),
                         1 + k % 7,
                         kh,
                         kw,
                         1,
                         padding,
                         {},
                         k % 4 != 3};
        const Function function = k % 2 ? Function::kScaledTanh : Function::kIdentity;
        check_conv<double>(c, options, function, pool);
        check_conv<float>(c, options, function, pool);
        ++k;
      }
  for (Index stride : {2, 3})
    check_conv<double>({2, 4 * stride, 6 * stride, 3, 3, 3, stride, Padding::kSame, {}}, rules()[1],
                       Function::kTanh, 2);
  check_conv<double>({6, 14, 14, 16, 5, 5, 1, Padding::kValid, kLenetTable}, rules()[0], Function::kTanh, 2);
}

TEST_CASE("of equal values the first wins, and NaN wins of all") {
  const double nan = std::nan("");
  for (Function function : {Function::kIdentity, Function::kRelu}) {
    const ConvCase c{1, 2, 4, 1, 1, 1, 1, Padding::kValid, {}};
    auto network = conv_network<double>(c, true, function, 2);
    network->parameters()[0] = 1;
    Trainer<double> trainer(*network, rules()[0]);
    AlignedVector<double> x{2, 2, 2, 2, -1, -1, -1, -1}, t(3);
    auto expected = conv_network<double>(c, true, function, 2);
    expected->parameters()[0] = 1;
    AlignedVector<double> g(std::size_t(expected->n_parameters()));
    expected->gradient(1, x.data(), t.data(), nullptr, g.data());
    trainer.learn_one(x.data(), t.data());
    for (Index k = 0; k < expected->n_parameters(); ++k)
      CHECK(network->parameters()[k] ==
            doctest::Approx(expected->parameters()[k] - 0.001 * g[std::size_t(k)]));
    for (std::size_t place = 0; place < x.size(); ++place) {
      auto broken = x;
      broken[place] = nan;
      CHECK(std::isnan(trainer.learn_one(broken.data(), t.data())));
    }
  }
}

TEST_CASE("a convolution of one window is a dense layer") {
  const ConvCase c{3, 4, 5, 6, 4, 5, 1, Padding::kValid, {}};
  for (const RuleOptions& options : rules()) check_conv<double>(c, options, Function::kScaledTanh);
  // not if the window is moved by its padding, or maps are not connected
  check_conv<double>({3, 4, 5, 6, 3, 3, 5, Padding::kSame, {}}, rules()[0], Function::kTanh);
  check_conv<double>({2, 4, 5, 2, 4, 5, 1, Padding::kValid, {{0}, {1}}}, rules()[0], Function::kTanh);
}

TEST_CASE("an activation of its own learns online") {
  for (const RuleOptions& options : rules()) {
    const auto network = [] {
      auto result = std::make_unique<Network<double>>(12, make_loss<double>("squared_error"));
      result->add(std::make_unique<Activation<double>>(12, Function::kTanh, 0.0), true);
      result->add(std::make_unique<MapScale<double>>(3, 4, 1), true);
      result->add(std::make_unique<Activation<double>>(12, Function::kScaledTanh, 0.1), true);
      result->add(std::make_unique<Dense<double>>(12, 3, true), true);
      randomise(*result);
      return result;
    };
    auto streamed = network(), expected = network();
    CHECK(difference_after(options, *streamed, *expected) < 1e-10);
  }
}

TEST_CASE("networks of LeNet's kind learn online") {
  const auto network = [](bool pooled) {
    auto result = std::make_unique<Network<double>>(18 * 18, make_loss<double>("squared_error"));
    const auto add = [&](std::unique_ptr<Module<double>> module) { result->add(std::move(module), true); };
    const auto activate = [&](Function function) {
      add(std::make_unique<Activation<double>>(result->n_outputs(), function, 0.02));
    };
    const auto convolve = [&](const ConvCase& c) { add(std::make_unique<Conv2D<double>>(c.shape(), true)); };
    const auto subsample = [&](Index maps, Index side) {
      const WindowGrid grid(maps, side, side, 2, "Subsample");
      if (pooled) return add(std::make_unique<MaxPool2D<double>>(grid));
      add(std::make_unique<WindowSum2D<double>>(grid, 0.25));
      add(std::make_unique<MapScale<double>>(maps, side * side / 4, 4));
      activate(Function::kScaledTanh);
    };
    convolve({1, 18, 18, 3, 3, 3, 1, Padding::kValid, {}});
    activate(Function::kScaledTanh);
    subsample(3, 16);
    convolve({3, 8, 8, 5, 3, 3, 1, Padding::kValid, {{0, 1}, {1, 2}, {0, 2}, {0, 1, 2}, {1}}});
    activate(Function::kTanh);
    subsample(5, 6);
    convolve({5, 3, 3, 9, 3, 3, 1, Padding::kValid, {}});
    activate(Function::kScaledTanh);
    add(std::make_unique<Dense<double>>(9, 4, true));
    randomise(*result);
    return result;
  };
  for (const RuleOptions& options : rules())
    for (bool pooled : {false, true}) {
      auto streamed = network(pooled), expected = network(pooled);
      CHECK(difference_after(options, *streamed, *expected) < 1e-10);
    }
}

}  // namespace ebp::tests

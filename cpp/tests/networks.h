// Small networks and data for the tests, the same in every run.
#pragma once

#include <memory>
#include <random>
#include <string>
#include <vector>

#include "ebp/nn/activation.h"
#include "ebp/nn/conv.h"
#include "ebp/nn/dense.h"
#include "ebp/nn/network.h"
#include "ebp/nn/subsample.h"

namespace ebp::tests {

template <class T>
AlignedVector<T> values(Index count, unsigned seed) {
  std::minstd_rand engine(seed);
  AlignedVector<T> result(static_cast<std::size_t>(count));
  for (T& value : result) value = T(2.0 * double(engine()) / double(std::minstd_rand::max()) - 1.0);
  return result;
}

// widths: inputs, then the units of every layer, all with the same activation.
template <class T>
std::unique_ptr<Network<T>> make_network(const std::vector<Index>& widths,
                                         Function function = Function::kScaledTanh,
                                         const std::string& loss = "squared_error", bool bias = true) {
  auto network = std::make_unique<Network<T>>(widths[0], make_loss<T>(loss));
  for (std::size_t l = 1; l < widths.size(); ++l) {
    network->add(std::make_unique<Dense<T>>(widths[l - 1], widths[l], bias), false);
    network->add(std::make_unique<Activation<T>>(widths[l], function, 0.05), true);
  }
  const auto theta = values<T>(network->n_parameters(), 7);
  for (Index k = 0; k < network->n_parameters(); ++k) network->parameters()[k] = theta[std::size_t(k)] / 2;
  return network;
}

// Seven inputs in a row, two convolutions with a scaled map between them, and three outputs.
template <class T>
std::unique_ptr<Network<T>> make_shared_network() {
  auto network = std::make_unique<Network<T>>(7, make_loss<T>("squared_error"));
  const auto add = [&](std::unique_ptr<Module<T>> module) { network->add(std::move(module), true); };
  const auto activate = [&] {
    add(std::make_unique<Activation<T>>(network->n_outputs(), Function::kTanh, 0.05));
  };
  add(std::make_unique<Conv2D<T>>(ConvShape(1, 1, 7, 4, 1, 2, 1, Padding::kValid, {{0}, {0}, {0}, {0}}),
                                  true));
  activate();
  add(std::make_unique<MapScale<T>>(4, 6, 1));
  add(std::make_unique<Conv2D<T>>(ConvShape(4, 1, 6, 2, 1, 3, 1, Padding::kValid, {{0, 2}, {1, 2, 3}}),
                                  true));
  activate();
  add(std::make_unique<Dense<T>>(8, 3, true));
  activate();
  const auto theta = values<T>(network->n_parameters(), 7);
  for (Index k = 0; k < network->n_parameters(); ++k) network->parameters()[k] = theta[std::size_t(k)] / 2;
  return network;
}

template <class T>
double largest_difference(const T* a, const T* b, Index count) {
  double largest = 0;
  for (Index k = 0; k < count; ++k) {
    const double difference = double(a[k]) - double(b[k]);
    largest = std::max(largest, difference < 0 ? -difference : difference);
  }
  return largest;
}

}  // namespace ebp::tests

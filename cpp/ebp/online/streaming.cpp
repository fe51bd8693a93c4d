#include "ebp/online/streaming.h"

#include <algorithm>

namespace ebp {
namespace {

// The activation that follows module s, or the identity.
template <class T>
Sigmoid<T> sigmoid_after(const Network<T>& network, std::size_t s) {
  if (s + 1 < network.stages().size())
    if (const auto* activation = dynamic_cast<const Activation<T>*>(network.stages()[s + 1].module.get()))
      return activation->sigmoid();
  return {Function::kIdentity, T(0)};
}

}  // namespace

template <class T>
StreamingEngine<T>::StreamingEngine(Network<T>& network, RuleState<T>& state, bool running)
    : network_(network), running_(running) {
  const auto& stages = network.stages();
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const Module<T>& module = *stages[s].module;
    const auto* dense = dynamic_cast<const Dense<T>*>(&module);
    const bool follows_dense = s > 0 && dynamic_cast<const Activation<T>*>(&module) &&
                               dynamic_cast<const Dense<T>*>(stages[s - 1].module.get());
    if (follows_dense) continue;
    T* theta = network.parameters();
    layers_.push_back(
        dense ? make_online_dense(*dense, sigmoid_after(network, s), theta, stages[s].start, state, running)
              : make_online_module(module, theta, stages[s].start, state, running));
    const std::size_t width = std::size_t(simd::padded<T>(module.n_outputs()));
    errors_.emplace_back(width);
    curvatures_.emplace_back(running_ ? width : 0);
  }
  require(!layers_.empty(), "train_online", "the network must have a layer", 0);
  const Module<T>& last = *stages.back().module;
  if (running && layers_.size() > 1 && network.loss().seeds_below(last))
    seed_below_.resize(std::size_t(last.n_inputs()));
}

template <class T>
void StreamingEngine<T>::begin() {
  for (auto& layer : layers_) layer->begin();
}

template <class T>
void StreamingEngine<T>::finish() {
  for (auto& layer : layers_) layer->finish();
}

template <class T>
void StreamingEngine<T>::publish() {
  for (auto& layer : layers_) layer->publish();
}

template <class T>
void StreamingEngine<T>::discard() {
  for (auto& layer : layers_) layer->discard();
}

template <class T>
T StreamingEngine<T>::assess(const T* x, const T* t, T weight) {
  for (auto& layer : layers_) {
    last_inputs_ = x;
    x = layer->forward(x);
  }
  outputs_ = x;
  AlignedVector<T>& e = errors_.back();
  return weight * network_.loss().gradient(network_.n_outputs(), x, t, e.data());
}

template <class T>
void StreamingEngine<T>::learn(const T* t, T weight) {
  AlignedVector<T>& e = errors_.back();
  AlignedVector<T>& c = curvatures_.back();
  if (running_) network_.loss().curvature(network_.n_outputs(), outputs_, t, c.data());
  if (!seed_below_.empty()) {
    const auto& last = network_.stages().back();
    network_.loss().curvature_below(*last.module, network_.parameters() + last.start, last_inputs_, outputs_,
                                    t, seed_below_.data());
  }
  if (weight != T(1)) {
    for (auto* values : {&e, &c, &seed_below_})
      for (T& value : *values) value *= weight;
  }
  for (std::size_t l = layers_.size(); l-- > 0;) {
    T* e_below = l ? errors_[l - 1].data() : nullptr;
    T* c_below = l ? curvatures_[l - 1].data() : nullptr;
    layers_[l]->backward(errors_[l].data(), running_ ? curvatures_[l].data() : nullptr, e_below, c_below);
    if (l + 1 == layers_.size()) std::copy(seed_below_.begin(), seed_below_.end(), c_below);
  }
}

template class StreamingEngine<float>;
template class StreamingEngine<double>;

}  // namespace ebp

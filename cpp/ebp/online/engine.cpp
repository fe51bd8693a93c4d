#include "ebp/online/engine.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "ebp/nn/activation.h"
#include "ebp/nn/conv.h"
#include "ebp/nn/dense.h"
#include "ebp/nn/pool.h"
#include "ebp/online/blocked_dense.h"
#include "ebp/online/online_maps.h"
#include "ebp/online/swept_dense.h"

namespace ebp {
namespace {

constexpr Index kLongInput = 64;  // shorter ones cost more in the Gram matrix than they save

// Bytes of weights from which on blocks are faster: a sweep over more than the first cache holds waits for
// them.
Index large_layer() {
  constexpr Index usual = 48 * 1024;
  Index cache = 0;
#if defined(_SC_LEVEL1_DCACHE_SIZE)
  cache = sysconf(_SC_LEVEL1_DCACHE_SIZE);
#endif
  return std::max(cache, usual);
}

// Module s if there is one and it is of the kind, else null.
template <class Kind, class T>
const Kind* module_at(const Network<T>& network, std::size_t s) {
  if (s >= network.stages().size()) return nullptr;
  return dynamic_cast<const Kind*>(network.stages()[s].module.get());
}

// The first module with parameters, or the number of modules.
template <class T>
std::size_t first_trainable(const Network<T>& network) {
  const auto& stages = network.stages();
  const auto trains = [](const Stage<T>& stage) { return stage.module->n_parameters() > 0; };
  return std::size_t(std::find_if(stages.begin(), stages.end(), trains) - stages.begin());
}

// Bias and size of module s if it is dense or a convolution that covers its whole input.
template <class T>
std::optional<DenseSize> dense_at(const Network<T>& network, std::size_t s) {
  const auto* dense = module_at<Dense<T>>(network, s);
  const auto* conv = module_at<Conv2D<T>>(network, s);
  if (!dense && !(conv && conv->shape().is_dense())) return std::nullopt;
  const Module<T>& module = *network.stages()[s].module;
  return DenseSize{module.n_inputs(), module.n_outputs(), dense ? dense->bias() : conv->bias()};
}

// Bytes of a hidden layer's weights from which on it is faster to make several updates in one sweep.
constexpr Index kDeferrable = 32 * 1024;

// Whether the layer's updates may wait, if the curvature does not run along, and whether that is faster.
template <class T>
bool is_deferred(const DenseSize& size, RuleState<T>& state, Index start) {
  const RuleOptions& options = state.options;
  return options.unit_rates() && options.momentum == 0 && options.weight_decay == 0 &&
         !state.centred_at(start) && size.n_inputs * size.n_outputs * Index(sizeof(T)) > kDeferrable;
}

}  // namespace

template <class T>
bool OnlineEngine<T>::can_block(const Network<T>& network, const RuleOptions& options) {
  const bool plain = options.momentum == 0 && options.weight_decay == 0;
  return (options.unit_rates() || (options.sdlm() && plain)) && !options.running() &&
         dense_at(network, first_trainable(network));
}

template <class T>
EngineKind OnlineEngine<T>::chosen(EngineKind kind, const Network<T>& network, const RuleOptions& options) {
  if (kind == EngineKind::kStreaming) return kind;
  const bool possible = can_block(network, options);
  require(kind == EngineKind::kAuto || possible, "train_online",
          "engine 'blocked' needs a dense first layer, and SGD, or SDLM with refresh 'epoch' and either one "
          "rate a unit or neither momentum nor weight decay; use engine 'auto' or 'streaming'",
          "another network or rule");
  if (kind == EngineKind::kBlocked) return kind;
  if (!possible) return EngineKind::kStreaming;
  const DenseSize size = *dense_at(network, first_trainable(network));
  const Index bytes = size.n_inputs * size.n_outputs * Index(sizeof(T));
  return bytes >= large_layer() && size.n_inputs >= kLongInput ? EngineKind::kBlocked
                                                               : EngineKind::kStreaming;
}

template <class T>
OnlineEngine<T>::OnlineEngine(Network<T>& network, RuleState<T>& state, bool running, bool blocked)
    : network_(network), running_(running) {
  const auto& stages = network.stages();
  const std::size_t first = blocked ? first_trainable(network) : 0;
  for (std::size_t s = first; s < stages.size();) {
    s += add_layer(network, s, state, blocked && s == first);
    const std::size_t width = std::size_t(simd::padded<T>(stages[s - 1].module->n_outputs()));
    errors_.emplace_back(width);
    curvatures_.emplace_back(running_ ? width : 0);
  }
  require(!layers_.empty(), "train_online", "the network must have a layer", 0);
  if (blocked) {
    for (std::size_t s = 0; s < first; ++s) fixed_.push_back(stages[s].module.get());
    Index width = 0;
    for (const auto* module : fixed_) width = std::max(width, module->n_inputs());
    for (auto& rows : below_) rows.resize(std::size_t(blocked_->block_rows() * width));
  }
  const Module<T>& last = *stages.back().module;
  if (running && layers_.size() > 1 && network.loss().seeds_below(last))
    seed_below_.resize(std::size_t(last.n_inputs()));
}

template <class T>
std::size_t OnlineEngine<T>::add_layer(Network<T>& network, std::size_t s, RuleState<T>& state,
                                       bool blocked) {
  const Module<T>& module = *network.stages()[s].module;
  const Index start = network.stages()[s].start;
  const auto* follows = module_at<Activation<T>>(network, s + 1);
  const Sigmoid<T> sigmoid = follows ? follows->sigmoid() : Sigmoid<T>{Function::kIdentity, T(0)};
  T* theta = network.parameters();
  const auto* conv = module_at<Conv2D<T>>(network, s);
  const auto size = dense_at(network, s);
  if (blocked) {
    std::unique_ptr<BlockLayer<T>> layer;
    if (state.options.unit_rates())
      layer = std::make_unique<BlockedDense<T>>(*size, sigmoid, theta, start, state,
                                                BlockedDense<T>::best_block_rows(*size));
    else
      layer = std::make_unique<SweptDense<T>>(*size, sigmoid, theta, start, state);
    blocked_ = layer.get();
    layers_.push_back(std::move(layer));
  } else if (size && !layers_.empty() && !running_ && is_deferred(*size, state, start)) {
    layers_.push_back(make_deferred_dense(*size, sigmoid, theta, start, state));
  } else if (size) {
    layers_.push_back(make_online_dense(*size, sigmoid, theta, start, state, running_));
  } else if (conv) {
    const std::size_t above = s + (follows ? 2 : 1);
    const auto* pool = module_at<MaxPool2D<T>>(network, above);
    if (pool && can_pool_online(*conv, sigmoid, pool->grid().size)) {
      layers_.push_back(
          make_online_pooled_conv(*conv, sigmoid, pool->grid().size, theta, start, state, running_));
      return above + 1 - s;
    }
    layers_.push_back(make_online_conv(*conv, sigmoid, theta, start, state, running_));
  } else if (const auto* activation = module_at<Activation<T>>(network, s)) {
    layers_.push_back(make_online_activation(*activation));
    return 1;
  } else {
    layers_.push_back(make_online_module(module, theta, start, state, running_));
    return 1;
  }
  return follows ? 2 : 1;
}

template <class T>
void OnlineEngine<T>::use(Team& team) {
  bool called = false;
  for (auto& layer : layers_) called |= layer->use(team);
  if (blocked_) blocked_->let_others_work_ahead(!called);
}

template <class T>
void OnlineEngine<T>::begin() {
  for (auto& layer : layers_) layer->begin();
}

template <class T>
void OnlineEngine<T>::finish() {
  for (auto& layer : layers_) layer->finish();
}

template <class T>
void OnlineEngine<T>::publish() {
  for (auto& layer : layers_) layer->publish();
}

template <class T>
void OnlineEngine<T>::discard() {
  for (auto& layer : layers_) layer->discard();
}

template <class T>
void OnlineEngine<T>::prepare(Feed<T>& feed, const Index* samples, Index rows) {
  T* inputs = blocked_->inputs_ahead();
  T* x = fixed_.empty() ? inputs : below_[0].data();
  feed.gather(rows, samples, x);
  for (std::size_t s = 0; s < fixed_.size(); ++s) {
    T* y = s + 1 == fixed_.size() ? inputs : below_[(s + 1) % 2].data();
    fixed_[s]->forward(rows, network_.parameters(), x, y);
    x = y;
  }
  blocked_->prepare(rows);
}

template <class T>
T OnlineEngine<T>::assess(const T* x, const T* t, T weight) {
  for (auto& layer : layers_) {
    last_inputs_ = x;
    x = layer->forward(x);
  }
  outputs_ = x;
  AlignedVector<T>& e = errors_.back();
  return weight * network_.loss().gradient(network_.n_outputs(), x, t, e.data());
}

template <class T>
void OnlineEngine<T>::learn(const T* t, T weight) {
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

template class OnlineEngine<float>;
template class OnlineEngine<double>;

}  // namespace ebp

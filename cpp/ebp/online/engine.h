// Online training of a network, sample after sample, through every layer ("streaming"), or with the first
// dense layer in blocks of samples ("blocked"). The updates are the same.
#pragma once

#include <memory>
#include <vector>

#include "ebp/online/block_layer.h"
#include "ebp/online/feed.h"
#include "ebp/online/online_layer.h"

namespace ebp {

// How the updates of a call are carried out; they are the same.
enum class EngineKind {
  kAuto,       // by what is faster for the network's size
  kStreaming,  // single samples through every layer
  kBlocked,    // the first layer in blocks; only for what OnlineEngine::can_block allows
};

template <class T>
class OnlineEngine {
 public:
  // The network and the state are kept by reference. With `running`, SDLM's curvature follows (62) at every
  // sample; `blocked` is for what can_block allows.
  OnlineEngine(Network<T>& network, RuleState<T>& state, bool running, bool blocked);
  bool running() const { return running_; }
  bool blocked() const { return blocked_ != nullptr; }

  // Whether the first layer with parameters is dense, and the rule one with a rate for each unit, or SDLM
  // with one for each weight and neither momentum nor decay; in no case one that runs along.
  static bool can_block(const Network<T>& network, const RuleOptions& options);
  // What `kind` stands for; kAuto takes blocks where they are faster.
  static EngineKind chosen(EngineKind kind, const Network<T>& network, const RuleOptions& options);

  // The calls of OnlineLayer of the same names, for all layers.
  void use(Team& team);
  void begin();
  void finish();
  void publish();
  void discard();

  // The first layer, if it takes blocks, else null.
  BlockLayer<T>* blocks() { return blocked_; }
  // Prepares its next block, of the given samples of the feed.
  void prepare(Feed<T>& feed, const Index* samples, Index rows);

  // Passes one sample, x (i) and t (o), forward and returns its loss times `weight`. x must stay valid until
  // the next call has returned; where the engine is blocked, it is the next one of the block, and x is
  // ignored.
  T assess(const T* x, const T* t, T weight);
  // Learns from the sample just assessed.
  void learn(const T* t, T weight);

 private:
  // Appends the layer that begins with module s; returns the number of modules it consists of.
  std::size_t add_layer(Network<T>& network, std::size_t s, RuleState<T>& state, bool blocked);

  Network<T>& network_;
  bool running_;
  BlockLayer<T>* blocked_ = nullptr;     // the first of the layers, if it takes blocks
  std::vector<const Module<T>*> fixed_;  // modules without parameters below it
  AlignedVector<T> below_[2];            // a block on its way through them
  std::vector<std::unique_ptr<OnlineLayer<T>>> layers_;
  const T* last_inputs_ = nullptr;            // of the last layer, for the sample just assessed
  const T* outputs_ = nullptr;                // of the network
  std::vector<AlignedVector<T>> errors_;      // dE/do of each layer
  std::vector<AlignedVector<T>> curvatures_;  // d2E/do2 of each layer
  AlignedVector<T>
      seed_below_;  // d2E/dx2 for last_inputs_, if h runs along and the loss gives it; else empty
};

}  // namespace ebp

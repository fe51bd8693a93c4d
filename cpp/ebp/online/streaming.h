// The streaming engine: sample after sample, each layer's backward pass and update one sweep over its
// weights.
#pragma once

#include <memory>
#include <vector>

#include "ebp/online/feed.h"
#include "ebp/online/online_layer.h"

namespace ebp {

template <class T>
class StreamingEngine {
 public:
  // The network and the state are kept by reference. With `running`, SDLM's curvature follows (62) at every
  // sample.
  StreamingEngine(Network<T>& network, RuleState<T>& state, bool running);
  bool running() const { return running_; }

  // The calls of OnlineLayer of the same names, for all layers.
  void begin();
  void finish();
  void publish();
  void discard();

  // Passes one sample, x (i) and t (o), forward and returns its loss times `weight`. x must stay valid until
  // the next call has returned.
  T assess(const T* x, const T* t, T weight);
  // Learns from the sample just assessed.
  void learn(const T* t, T weight);

 private:
  // Appends the layer that begins with module s; returns the number of modules it consists of.
  std::size_t add_layer(Network<T>& network, std::size_t s, RuleState<T>& state);

  Network<T>& network_;
  bool running_;
  std::vector<std::unique_ptr<OnlineLayer<T>>> layers_;
  const T* last_inputs_ = nullptr;            // of the last layer, for the sample just assessed
  const T* outputs_ = nullptr;                // of the network
  std::vector<AlignedVector<T>> errors_;      // dE/do of each layer
  std::vector<AlignedVector<T>> curvatures_;  // d2E/do2 of each layer
  AlignedVector<T>
      seed_below_;  // d2E/dx2 for last_inputs_, if h runs along and the loss gives it; else empty
};

}  // namespace ebp

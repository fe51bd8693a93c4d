// One layer of a network in the streaming engine: it learns while it passes the error down.
#pragma once

#include <memory>

#include "ebp/base/team.h"
#include "ebp/nn/activation.h"
#include "ebp/nn/conv.h"
#include "ebp/online/rule_state.h"

namespace ebp {

// What a dense layer's sweeps must know of it.
struct DenseSize {
  Index n_inputs, n_outputs;
  bool bias;
};

// Multiply-adds of a pass below which calling others, some hundred nanoseconds, takes longer than doing it
// all.
inline constexpr Index kShareable = 65'536;

// Index letters: i inputs, o outputs of the layer. What layers hand each other has room for whole packs,
// simd::padded(i) and simd::padded(o). A layer sees its samples strictly one after the other:
// forward, backward, forward, backward, ...
template <class T>
class OnlineLayer {
 public:
  virtual ~OnlineLayer() = default;

  // The threads to share the work with in the calls before the next one of it. True if they are called at
  // every sample.
  virtual bool use(Team&) { return false; }

  // Takes factors and curvature of the units from the rule's state as they are now.
  virtual void begin() = 0;
  // After the last sample of a call: applies an update that was put off.
  virtual void finish() = 0;
  // Gives what the layer keeps of the curvature back to the rule's state.
  virtual void publish() = 0;
  // Forgets an update that was put off.
  virtual void discard() = 0;

  // Outputs (o) for the input x (i); x stays valid until the forward call after this one has returned.
  virtual const T* forward(const T* x) = 0;
  // Learns from e = dE/do (o), and c = d2E/do2 (o) if the rule's curvature runs along, else null.
  // Overwrites e_below = dE/dx (i) and c_below (i); a null e_below means that nobody wants them.
  virtual void backward(const T* e, const T* c, T* e_below, T* c_below) = 0;
};

// Places of the layers in the whole: `theta` and `state` are the network's, `start` is the offset of the
// layer's slice. With `running`, SDLM's curvature follows (62) at every sample; otherwise the rates of the
// state stay as they are.

// A dense layer with its activation.
template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_dense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta,
                                                  Index start, RuleState<T>& state, bool running);

// The same above the first layer, for rules of one rate a unit that does not run along, without momentum,
// decay and centring; faster where the weights are many.
template <class T>
std::unique_ptr<OnlineLayer<T>> make_deferred_dense(const DenseSize& size, const Sigmoid<T>& sigmoid,
                                                    T* theta, Index start, RuleState<T>& state);

// A convolution with its activation.
template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_conv(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, T* theta,
                                                 Index start, RuleState<T>& state, bool running);

// The same under max pooling by windows of size x size, if can_pool_online (online_maps.h) says so.
template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_pooled_conv(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid,
                                                        Index size, T* theta, Index start,
                                                        RuleState<T>& state, bool running);

// An activation that follows neither.
template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_activation(const Activation<T>& activation);

// Any other module, by its batch passes on single rows.
template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_module(const Module<T>& module, T* theta, Index start,
                                                   RuleState<T>& state, bool running);

}  // namespace ebp

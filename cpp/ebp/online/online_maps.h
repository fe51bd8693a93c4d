// Some of a convolution's output maps in the streaming engine: what one thread treats.
#pragma once

#include <memory>

#include "ebp/base/parallel.h"
#include "ebp/nn/activation.h"
#include "ebp/nn/conv.h"
#include "ebp/online/rule_state.h"

namespace ebp {

// They are a convolution of their own, with their own copy of the input and their own weights, which so stay
// in the caches of the thread that learns them; only what they pass down is part of a sum.
//
// Index letters: i inputs of the convolution; m maps; n positions of a map, u outputs of one, fewer where
// they are pooled. What is handed over has room for whole packs behind the convolution's last map.
template <class T>
class OnlineMaps {
 public:
  // `theta` and `state` are the network's, `start` is the offset of the convolution's slice.
  OnlineMaps(const Conv2D<T>& conv, const Share& maps, T* theta, Index start, RuleState<T>& state);
  virtual ~OnlineMaps() = default;
  OnlineMaps(const OnlineMaps&) = delete;
  OnlineMaps& operator=(const OnlineMaps&) = delete;

  // Overwrites the outputs (m, u) for the input x (i).
  virtual void forward(const T* x, T* outputs) = 0;
  // Forms the gradient from e = dE/do (m, u), and overwrites e_below (i), if not null, with these maps' share
  // of dE/dx.
  virtual void backward(const T* e, T* e_below) = 0;
  // Overwrites what reaches the sums, f'^2 c (m, n), (54), where c = d2E/do2 (m, u) reaches the outputs.
  virtual void take_curvature(const T* c, T* curvature) const = 0;
  // One step of the rule.
  void apply();

 protected:
  static constexpr Index kRoom = 16;  // behind the gradient of the kernels

  ConvPlan<T> plan_;
  T* const kernels_;
  T* const biases_;  // (m), null without
  AlignedVector<T> gradient_, bias_gradient_;

 private:
  RuleState<T>& state_;
  typename RuleState<T>::Part kernels_part_, biases_part_;
};

template <class T>
std::unique_ptr<OnlineMaps<T>> make_plain_maps(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid,
                                               const Share& maps, T* theta, Index start, RuleState<T>& state);

// Under max pooling by windows of size x size, if can_pool_online says so.
template <class T>
std::unique_ptr<OnlineMaps<T>> make_pooled_maps(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, Index size,
                                                const Share& maps, T* theta, Index start,
                                                RuleState<T>& state);
// Small kernels at stride 1, under an activation that does not decrease.
template <class T>
bool can_pool_online(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, Index size);

}  // namespace ebp

// The first dense layer of a network under a rate for each weight, with several samples in one sweep over
// weights and rates.
//
// Where each weight has its own rate, the Gram matrix of the samples does not say what an update does to the
// totals of samples to come, but a weighted one of each unit j does: after an update of its weights,
// w_i <- w_i - e d r_i x_i with sample t, the total of sample s is less by e d sum_i r_i x_i[t] x_i[s]. For
// the few samples of a block these sums are formed by the sweep that forms their totals, beside the updates
// with the samples of the block before. So weights and rates pass the processor once for all of them.
#pragma once

#include "ebp/online/block_layer.h"

namespace ebp {

template <class T>
class SweptDense final : public BlockLayer<T> {
 public:
  // The rule must be SDLM with a rate a weight, which does not run along, without momentum and decay.
  SweptDense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta, Index start, RuleState<T>& state);

  void load() override;
  void begin() override {}
  void finish() override;
  const T* forward(const T*) override;
  void backward(const T* e, const T* c, T* e_below, T* c_below) override;

 private:
  using Rule = online::WeightRate<T, online::FixedRate<T>, false>;  // of the bias
  using BlockLayer<T>::team_;
  using BlockLayer<T>::sweep_;
  using BlockLayer<T>::rates_;
  using BlockLayer<T>::rows_;
  using BlockLayer<T>::row_;
  using BlockLayer<T>::made_;

  // Lets units learn from the block before, whose inputs are `learnt`, if it is not null, and forms their
  // sums over the present one.
  void sweep(const Share& units, const T* learnt);
  // Makes the updates of the present block that are still to be made.
  void learn(const Share& units);

  Index width_;            // of the vectors below
  AlignedVector<T> sums_;  // (sums, width): totals of the block's samples, then the products of its pairs
  AlignedVector<T> steps_, steps_before_;  // (B, width): -e d of this block's samples and of the last one's
  AlignedVector<T> pairs_;                 // (pairs, i): products of the inputs of two samples
};

}  // namespace ebp

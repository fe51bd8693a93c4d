// The first dense layer of a network where it takes the samples in blocks, so that its weights are gone
// through once for several of them.
#pragma once

#include "ebp/base/aligned.h"
#include "ebp/online/dense_kernels.h"
#include "ebp/online/online_layer.h"

namespace ebp {

// Weights from which on others are asked for help: with two threads, blocks of 784-30 were slower by a third,
// 784-60 as fast as with one, 784-100 faster by a quarter.
inline constexpr Index kShareableBlocks = 65'536;

// A layer whose inputs are the samples themselves needs its weights only in products with these inputs, all
// of which are known before. What a block's updates do to its totals follows from the samples alone, so that
// the updates themselves can wait until the weights are gone through for the next block.
//
// Index letters: i inputs, o outputs, B samples of a block.
template <class T>
class BlockLayer : public OnlineLayer<T> {
 public:
  // `block_rows` is the size of full blocks.
  BlockLayer(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta, Index start, RuleState<T>& state,
             Index block_rows)
      : block_rows_(block_rows), sigmoid_(sigmoid), state_(state), rates_(std::size_t(block_rows)) {
    for (auto* vector : {&inputs_, &inputs_ahead_}) vector->resize(std::size_t(block_rows * size.n_inputs));
    for (auto* vector : {&output_, &slope_, &delta_, &factors_})
      vector->resize(std::size_t(simd::padded<T>(size.n_outputs)));
    sweep_ = {size.n_inputs, size.n_outputs, theta + start,   state.memory().from(start), size.bias,
              delta_.data(), nullptr,        factors_.data(), state.constants()};
  }

  Index block_rows() const { return block_rows_; }

  // Whether other threads have nothing to do while the samples of a block pass, after `use`.
  virtual void let_others_work_ahead(bool) {}
  // If so, whether they would do something for the next block if it is prepared before they pass.
  virtual bool works_ahead() const { return false; }

  // Where the samples, (B, i), of the block after the present one are to be put.
  T* inputs_ahead() { return inputs_ahead_.data(); }
  // Says that the first `rows` samples are there.
  virtual void prepare(Index rows) { rows_ahead_ = rows; }
  // Rows of the block that has been prepared and not yet loaded.
  Index prepared() const { return rows_ahead_; }
  // Makes that block the present one, whose samples come next.
  virtual void load() = 0;
  // Samples of the block that are still to come; they can come after `finish` too.
  Index remaining() const { return rows_ - row_; }

  bool use(Team& team) override {
    team_ = sweep_.n_inputs * sweep_.n_outputs >= kShareableBlocks ? &team : &alone_;
    return false;
  }
  void publish() override {}
  void discard() override { rows_ = row_ = made_ = rows_ahead_ = 0; }
  // The next sample of the block; the argument is ignored.
  const T* forward(const T*) override = 0;
  void backward(const T* e, const T* c, T* e_below, T* c_below) override = 0;

 protected:
  T* inputs() { return inputs_.data(); }

  // Makes the block ahead the present one; the inputs of the one before stay where they were.
  void step_on() {
    std::swap(inputs_, inputs_ahead_);
    rows_ = rows_ahead_;
    row_ = made_ = rows_ahead_ = 0;
  }

  // Outputs (o) and slopes of the totals (o).
  template <class Totals>
  const T* activate(const Totals& totals) {
    const online::Activate<T> emit{sigmoid_, sweep_.bias(), output_.data(), slope_.data(), 0};
    simd::for_lanes<T>(sweep_.n_outputs, [&](Index j, auto lanes) { emit(j, totals(j, lanes), lanes); });
    return output_.data();
  }

  // delta = f' e, (4), and what it takes to move the biases and, later, the weights.
  template <class Rule>
  void learn_bias(const T* e) {
    sweep_.constants = state_.constants();
    rates_[std::size_t(row_)] = sweep_.constants.epsilon;
    online::form_deltas(sweep_.n_outputs, slope_.data(), e, delta_.data());
    if (state_.options.momentum != 0)
      online::update_bias<Rule, online::Motion::kGeneral>(sweep_);
    else
      online::update_bias<Rule, online::Motion::kDirect>(sweep_);
  }

  Index block_rows_;
  Sigmoid<T> sigmoid_;
  RuleState<T>& state_;
  Team* team_ = &alone_;
  online::Sweep<T> sweep_;    // with the present sample's deltas
  AlignedVector<T> rates_;    // (B): epsilon of every sample learnt from
  AlignedVector<T> factors_;  // (o) of epsilon, where a unit's weights share one rate
  AlignedVector<T> output_, slope_, delta_;
  Index rows_ = 0, row_ = 0;  // of the present block, and of them learnt from
  Index made_ = 0;            // those of them that the weights have learnt from

 private:
  Team alone_;                              // for layers too small to be shared
  AlignedVector<T> inputs_, inputs_ahead_;  // (B, i)
  Index rows_ahead_ = 0;
};

}  // namespace ebp

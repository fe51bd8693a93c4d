// The first dense layer of a network, trained on blocks of samples by matrix products, with exactly the
// updates that single samples would make.
//
// A layer whose inputs are the samples themselves needs its weights only in products with these inputs. For a
// block of B samples, rows of X, and the weights W0 at its start, Z = X W0' and the Gram matrix G = X X' say
// all: an update of unit j by sample t, w <- w - c with c = e (d x_t + l w), takes e (d G[s, t] + l z_s) from
// the unit's total z_s for every sample s to come, as if the totals were weights whose input is G[s, t].
// So the block is walked sample by sample on totals alone, and the sum of its updates is made good in W by
// one more product at the end. Momentum has velocities U = X V0' of the totals, as of the weights.
//
// Totals of samples far ahead need not follow every update: it is enough that a sub-block's samples do. The
// sum of a sub-block's updates reaches the totals behind it, as that of the block reaches the weights, with
// the factors by which decay and momentum have changed each update since (`Course`).
#pragma once

#include "ebp/base/aligned.h"
#include "ebp/online/dense_kernels.h"
#include "ebp/online/online_layer.h"

namespace ebp {

// Index letters: i inputs, o outputs, B samples of a block.
template <class T>
class BlockedDense final : public OnlineLayer<T> {
 public:
  // The rule must have one rate a unit that does not run along.
  // `block_rows` is the size of full blocks.
  BlockedDense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta, Index start, RuleState<T>& state,
               Index block_rows);

  // The size of blocks that costs the least time a sample. The weights go through the processor three times
  // a block, the sample takes i + o multiply-adds for every two samples of its block.
  static Index best_block_rows(const DenseSize& size);
  Index block_rows() const { return block_rows_; }

  // Ends the block before and returns where the next one's samples, (B, i), are to be put.
  T* clear();
  // Starts the block of the first `rows` samples there.
  void load(Index rows);
  // Samples of the block that are still to come.
  Index remaining() const { return rows_ - row_; }

  void use(Team& team) override { team_ = &team; }
  void begin() override;
  void finish() override;
  void publish() override {}
  void discard() override { rows_ = row_ = 0; }
  // The next sample of the block; the argument is ignored.
  const T* forward(const T*) override;
  void backward(const T* e, const T* c, T* e_below, T* c_below) override;

 private:
  // What some updates in a row do to totals and their velocities: z <- z - z_lost z + z_from_u u + G z_steps
  // and u <- u_from_z z + u_from_u u + G u_steps; to weights and theirs likewise, with X' instead of G. A
  // little decay would be a matter of the last digits in a factor near 1.
  struct Course {
    AlignedVector<T> z_lost, z_from_u, u_from_z, u_from_u;  // (o)
    AlignedVector<T> z_steps, u_steps;                      // (B, o), rows of these updates
  };

  bool moves() const { return state_.options.momentum != 0; }
  bool decays() const { return state_.options.weight_decay != 0; }
  bool plain() const { return !moves() && !decays(); }
  void follow_in_sub_block(const T* step);
  void load_gram(const Share& samples);
  // What follows concerns some of the units, each of which goes its own way.
  void load_units(const Share& units);
  void finish_units(const Share& units, Index updates);
  void follow_behind_sub_block(const Share& units);
  void compute_course(const Share& units, Index first, Index last);

  using Rule = online::UnitRate<T, false>;  // of the bias, which does not decay

  Index block_rows_;
  Sigmoid<T> sigmoid_;
  RuleState<T>& state_;
  Team* team_ = nullptr;
  online::Sweep<T> sweep_;      // with the present sample's deltas
  AlignedVector<T> x_, z_, u_;  // (B, i), (B, o), (B, o); u_ is empty without momentum
  AlignedVector<T> gram_;       // (B, B): the lower triangle of G
  AlignedVector<T> steps_;      // (B, o): -e d of every sample learnt from
  AlignedVector<T> rates_;      // (B): epsilon of every sample learnt from
  AlignedVector<T> output_, slope_, delta_, factors_;
  Course course_;
  Index rows_ = 0, row_ = 0;  // of the block, and of them learnt from
  Index sub_block_ = 0;       // its first row
};

}  // namespace ebp

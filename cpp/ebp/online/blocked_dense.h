// The first dense layer of a network, trained on blocks of samples by matrix products, with exactly the
// updates that single samples would make.
//
// For a block of B samples, rows of X, and the weights W0 at its start, Z = X W0' and the Gram matrix G = X
// X' say all that there is to know of the weights: an update of unit j by sample t, w <- w - c with c = e (d
// x_t + l w), takes e (d G[s, t] + l z_s) from the unit's total z_s for every sample s to come, as if the
// totals were weights whose input is G[s, t]. So the block is walked sample by sample on totals alone, and
// the sum of its updates is made good in W by one more product when the next one begins. Momentum has
// velocities U = X V0' of the totals, as of the weights.
//
// Totals of samples far ahead need not follow every update: it is enough that a sub-block's samples do. The
// sum of a sub-block's updates reaches the totals behind it, as that of the block reaches the weights, with
// the factors by which decay and momentum have changed each update since (`Course`).
#pragma once

#include "ebp/online/block_layer.h"

namespace ebp {

// Index letters: i inputs, o outputs, B samples of a block.
template <class T>
class BlockedDense final : public BlockLayer<T> {
 public:
  // The rule must have one rate a unit that does not run along.
  BlockedDense(const DenseSize& size, const Sigmoid<T>& sigmoid, T* theta, Index start, RuleState<T>& state,
               Index block_rows);

  // The size of blocks that costs the least time a sample. The weights go through the processor once a
  // block, the sample takes i + o multiply-adds for every two samples of its block.
  static Index best_block_rows(const DenseSize& size);

  void let_others_work_ahead(bool others_idle) override { ahead_ = others_idle && team_->size() > 1; }
  bool works_ahead() const override { return ahead_; }
  void prepare(Index rows) override;
  void load() override;

  void begin() override;
  void finish() override;
  void discard() override;
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
  // The rows of the Gram matrix ahead that are one of n parts.
  void form_gram(int part, int n_parts);
  void wait();
  // What follows concerns some of the units, each of which goes its own way.
  void load_units(const Share& units);
  // The updates with rows [first, last) of x.
  void finish_units(const Share& units, const T* x, Index first, Index last);
  void follow_behind_sub_block(const Share& units);
  void compute_course(const Share& units, Index first, Index last);

  using Rule = online::UnitRate<T, false>;  // of the bias, which does not decay
  using BlockLayer<T>::state_;
  using BlockLayer<T>::team_;
  using BlockLayer<T>::sweep_;
  using BlockLayer<T>::rates_;
  using BlockLayer<T>::factors_;
  using BlockLayer<T>::rows_;
  using BlockLayer<T>::row_;
  using BlockLayer<T>::made_;

  struct FormGramAhead {  // by the other threads
    BlockedDense* layer;
    void operator()(int part) const { layer->form_gram(part - 1, layer->team_->size() - 1); }
  };

  bool ahead_ = false;
  FormGramAhead form_gram_ahead_{this};
  bool others_busy_ = false;            // with that
  bool gram_is_formed_ = false;         // that of the block ahead, as soon as others are not busy
  AlignedVector<T> gram_, gram_ahead_;  // (B, B): the lower triangles of G, rows as long as there are samples
  AlignedVector<T> z_, u_;              // (B, o); u_ is empty without momentum
  AlignedVector<T> steps_;              // (B, o): -e d of every sample learnt from
  Course course_;
  Index sub_block_ = 0;  // its first row
};

}  // namespace ebp

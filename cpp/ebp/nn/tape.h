// The intermediate values of one batch of rows: what a backward pass needs to know of the forward pass.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "ebp/base/aligned.h"
#include "ebp/nn/network.h"

namespace ebp {

// Outputs of the widest module: what a buffer for passes back must hold for each row.
template <class T>
Index widest_output(const Network<T>& network) {
  Index widest = 0;
  for (const auto& stage : network.stages()) widest = std::max(widest, stage.module->n_outputs());
  return widest;
}

// Runs the passes of a network's modules in sequence over at most `max_rows` rows. theta is always given,
// so that points other than the network's own can be looked at. A tape belongs to one thread.
template <class T>
class Tape {
 public:
  // Rows of a block: as many as keep its values near the processor while the products are still efficient.
  static Index block_rows(const Network<T>& network);

  Tape(const Network<T>& network, Index max_rows);

  // Outputs (n, o) from x (n, i); both x and the result stay valid and unchanged until the backward passes
  // have run.
  const T* forward(Index n, const T* theta, const T* x);
  // Output (n, width) of stage s after forward.
  const T* output(std::size_t s) const { return outputs_[s].data(); }

  // From now on, the passes back give parameters' derivatives as if the inputs of stage s were means[s] (its
  // inputs) less; null where they are to stay. The means are kept by reference.
  void centre(std::vector<const T*> means) { means_ = std::move(means); }

  // gtheta (p) accumulated from gy = dE/dy (n, o), after forward.
  void backward(const T* gy, T* gtheta);

  // Forward, loss and backward at once for rows x (n, i) with targets t (n, o) and weights (n), null for 1:
  // g (p) accumulated, the sum over rows of weight times dE/dtheta; losses (n), may be null, weighted too.
  void add_gradient(Index n, const T* theta, const T* x, const T* t, const T* weights, T* g, T* losses);
  // The same for the diagonal second derivatives (54)-(56): h (p) accumulated.
  void add_curvature(Index n, const T* theta, const T* x, const T* t, const T* weights, T* h);

 private:
  using Pass = void (Module<T>::*)(Index, const T*, const T*, const T*, T*, T*) const;
  // result (p) accumulated by one kind of backward pass from seed (n, o); after_last gets what the output
  // module passed down, (n, its inputs), and may change it.
  template <class AfterLast>
  void backward_through(Pass pass, const T* seed, T* result, AfterLast&& after_last);
  // Overwrites the curvature `below` (n, i) the output module where the loss knows it better.
  void seed_below(const T* t, const T* weights, T* below) const;

  // The input x (n, i) of stage s, less its mean.
  const T* centred(std::size_t s, const T* x);

  const Network<T>& network_;
  std::vector<AlignedVector<T>> outputs_;
  std::vector<const T*> means_;
  AlignedVector<T> seed_, above_, below_, centred_;
  Index n_ = 0;
  const T* theta_ = nullptr;
  const T* x_ = nullptr;
};

}  // namespace ebp

// A network linearised at a point: what passes along directions need to know of the passes before them.
#pragma once

#include <vector>

#include "ebp/base/aligned.h"
#include "ebp/nn/batch.h"

namespace ebp {

// The states of some rows at theta: the output of every module and, if asked for, the gradient there.
// theta and the batch must stay as they are while the object lives; const members may run in any number of
// threads at a time.
template <class T>
class Linearization {
 public:
  Linearization(const Network<T>& network, const T* theta, const Batch<T>& batch, bool with_gradients);

  // Bytes kept for each row.
  static Index row_bytes(const Network<T>& network);

  const Network<T>& network() const { return network_; }
  Index n() const { return batch_.n; }
  const T* theta() const { return theta_; }
  // Inputs (n, i) of stage s; those of the stage after the last are the outputs of the network.
  const T* inputs(std::size_t s) const { return s ? outputs_[s - 1].data() : batch_.x; }
  // Weight times dE/dy (n, o) at the outputs of stage s.
  const T* gradients(std::size_t s) const { return gradients_[s].data(); }
  // seed (n, o) = weight times (d2E/do2) dy, for tangents dy (n, o) of the network's outputs.
  void curvature_product(const T* dy, T* seed) const;
  // seeds (o, n, o): for every row the rows q of a square root F of the loss's curvature, weight d2E/do2 =
  // F'F.
  void curvature_factors(T* seeds) const;

 private:
  const Network<T>& network_;
  const T* theta_;
  Batch<T> batch_;
  std::vector<AlignedVector<T>> outputs_, gradients_;
};

// Memory for passes over a linearisation; belongs to one thread.
template <class T>
class DirectionalPass {
 public:
  DirectionalPass(const Network<T>& network, Index max_rows);

  // R-forward: tangents (n, o) of the network's outputs along dtheta (p).
  const T* forward(const Linearization<T>& at, const T* dtheta);
  // The same when only module s changes, whose outputs do by dy (n, its outputs).
  const T* forward_from(const Linearization<T>& at, std::size_t s, const T* dy);
  // R-backward after forward(): dgtheta (p), accumulated, = R{gradient}, from dgy (n, o) = R{dE/do}.
  void backward(const Linearization<T>& at, const T* dtheta, const T* dgy, T* dgtheta);
  // Ordinary backward pass: gtheta (p), accumulated, from gy (n, o).
  void backpropagate(const Linearization<T>& at, const T* gy, T* gtheta);

 private:
  std::vector<AlignedVector<T>> tangents_;  // of the outputs of every stage
  AlignedVector<T> above_, below_;
};

}  // namespace ebp

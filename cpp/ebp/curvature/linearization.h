// A network linearised at a point: what passes along directions need to know of the passes before them.
#pragma once

#include <vector>

#include "ebp/base/aligned.h"
#include "ebp/nn/batch.h"

namespace ebp {

// Bytes of states that are kept between passes; beyond, they are computed anew.
inline constexpr Index kMostKept = Index(1) << 30;

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

// Passes along directions over a linearisation, with memory for them; belongs to one thread. Results of a
// pass stay until the next one.
template <class T>
class DirectionalPass {
 public:
  DirectionalPass(const Network<T>& network, Index max_rows);

  // R-forward: tangents (n, o) of the network's outputs along dtheta (p).
  const T* forward(const Linearization<T>& at, const T* dtheta);
  // The same when the outputs of stage s, and nothing below, change by dy (n, its outputs).
  const T* forward_from(const Linearization<T>& at, std::size_t s, const T* dy);

  // R-backward after one of these, from dgy (n, o) = R{dE/do} through the stages from the last to `first`;
  // returns R{dE/dx} (n, i) at the inputs of `first`, unless that is 0. dgtheta (p), accumulated for these
  // stages, = R{gradient}. Both dtheta (null for 0) and dgtheta may be null.
  const T* backward(const Linearization<T>& at, std::size_t first, const T* dtheta, const T* dgy, T* dgtheta);
  // The same with dtheta = 0 and without the sum over rows: `rows` (n, p), `stride` apart, overwritten.
  const T* backward_rows(const Linearization<T>& at, std::size_t first, const T* dgy, Index stride, T* rows);

  // Ordinary backward pass from gy (n, o): gtheta (p), accumulated.
  void backpropagate(const Linearization<T>& at, const T* gy, T* gtheta);
  // The same without the sum over rows: `rows` (n, p), `stride` apart, overwritten.
  void backpropagate_rows(const Linearization<T>& at, const T* gy, Index stride, T* rows);

 private:
  const T* forward_above(const Linearization<T>& at, std::size_t s, const T* dtheta);
  // The loops of the passes back; parameters(stage, x, ...) deals with the parameters of a stage or returns
  // where the module is to add their derivatives.
  template <class Parameters>
  const T* back(const Linearization<T>& at, std::size_t first, const T* dtheta, const T* dgy,
                Parameters&& parameters);
  template <class Parameters>
  void plain_back(const Linearization<T>& at, const T* gy, Parameters&& parameters);

  std::vector<AlignedVector<T>> tangents_;  // of the outputs of every stage
  std::vector<const T*> live_;              // the same, null where it is 0
  AlignedVector<T> above_, below_;
};

}  // namespace ebp

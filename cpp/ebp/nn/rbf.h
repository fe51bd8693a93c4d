// Radial units: squared distances to codes, and Gaussian bumps around centres. Sections 4.8 and 7.4.
#pragma once

#include "ebp/nn/module.h"

namespace ebp {

// y[k] = sum over j of (x[j] - w[k, j])^2, without 1/2. theta = the codes w (o, i) if they are trained;
// otherwise they are given once and theta is empty.
template <class T>
class EuclideanRBF final : public Module<T> {
 public:
  // Trainable codes.
  EuclideanRBF(Index n_inputs, Index n_outputs);
  // Fixed codes (o, i).
  EuclideanRBF(Index n_inputs, std::vector<T> codes);

  const char* kind() const override { return "euclidean_rbf"; }
  std::vector<ParameterBlock> parameter_blocks() const override;
  // The codes (o, i): theta itself, or those fixed.
  const T* codes(const T* theta) const { return codes_.empty() ? theta : codes_.data(); }

  void forward(Index n, const T* theta, const T* x, T* y) const override;
  void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const override;
  void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const override;
  void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                       T* dy) const override;
  void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx, const T* gy,
                        const T* dgy, T* dgx, T* dgtheta) const override;

 private:
  // Calls body(row, unit, code of the unit) for all pairs.
  template <class Body>
  void for_pairs(Index n, const T* theta, Body&& body) const;

  std::vector<T> codes_;  // empty if trained
};

// phi[k] = exp(-|x - nu[k]|^2 / (2 sigma[k]^2)). theta = the centres nu (o, i), then the widths sigma (o).
template <class T>
class GaussianRBF final : public Module<T> {
 public:
  GaussianRBF(Index n_inputs, Index n_outputs);

  const char* kind() const override { return "gaussian_rbf"; }
  std::vector<ParameterBlock> parameter_blocks() const override;

  void forward(Index n, const T* theta, const T* x, T* y) const override;
  void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const override;
  void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const override;
  void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                       T* dy) const override;
  void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx, const T* gy,
                        const T* dgy, T* dgx, T* dgtheta) const override;
};

}  // namespace ebp

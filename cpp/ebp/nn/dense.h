// Fully connected sums: y = W x + b. Section 3, (2) and (5)-(6).
#pragma once

#include "ebp/nn/module.h"

namespace ebp {

// theta = W (o, i) row by row, then b (o) if there is a bias.
template <class T>
class Dense final : public Module<T> {
 public:
  Dense(Index n_inputs, Index n_outputs, bool bias);

  const char* kind() const override { return "dense"; }
  bool bias() const { return bias_; }
  std::vector<ParameterBlock> parameter_blocks() const override;

  void forward(Index n, const T* theta, const T* x, T* y) const override;
  void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const override;
  void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const override;
  void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                       T* dy) const override;
  void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx, const T* gy,
                        const T* dgy, T* dgx, T* dgtheta) const override;
  void gradient_rows(Index n, const T* theta, const T* x, const T* gy, T* rows, Index stride) const override;
  void tangent_rows(Index n, const T* theta, const T* x, const T* dx, const T* gy, const T* dgy, T* rows,
                    Index stride) const override;
  void add_squared_gradients(Index copies, Index n, const T* theta, const T* x, const T* gy,
                             T* squares) const override;

 private:
  // y (n, o) = beta y + x W' with W at `weights`.
  void product(Index n, const T* weights, const T* x, T beta, T* y) const;
  // gx (n, i) = beta gx + gy W with W at `weights`.
  void transposed_product(Index n, const T* weights, const T* gy, T beta, T* gx) const;
  // gtheta (p) += [gy' x, column sums of gy]; the bias part only if `with_bias`.
  void accumulate(Index n, const T* x, const T* gy, bool with_bias, T* gtheta) const;

  bool bias_;
};

}  // namespace ebp

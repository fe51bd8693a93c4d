// Convolution with shared weights: every unit of a map has the same kernel, moved over the input maps.
#pragma once

#include "ebp/nn/conv_plan.h"
#include "ebp/nn/module.h"

namespace ebp {

// y[o, r, c] = bias[o] + sum over input maps i of o's sources and taps (a, b) of kernel[o, i, a, b] x[i, s r
// + a, s c + b].
//
// theta = kernels (kh, kw) in the order of the connection table, output map by output map, then the biases
// (maps). Gradients and curvature of a shared weight are sums over its connections.
template <class T>
class Conv2D final : public Module<T> {
 public:
  Conv2D(ConvShape shape, bool bias);

  const char* kind() const override { return "conv2d"; }
  const ConvPlan<T>& plan() const { return plan_; }
  const ConvShape& shape() const { return plan_.shape(); }
  bool bias() const { return bias_; }
  std::vector<ParameterBlock> parameter_blocks() const override;

  void forward(Index n, const T* theta, const T* x, T* y) const override;
  void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const override;
  void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const override;
  void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                       T* dy) const override;
  void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx, const T* gy,
                        const T* dgy, T* dgx, T* dgtheta) const override;

 private:
  // Memory for one sample's intermediate values.
  struct Buffers;

  void add_bias(const T* theta, T* y) const;
  // gtheta += the sums of gy over each map, if there are biases.
  void accumulate_bias(const T* gy, T* gtheta) const;
  // Both passes down, with everything squared or not; gx and gtheta may be null.
  void backpropagate(Index n, const T* theta, const T* x, const T* gy, bool squared, T* gx, T* gtheta) const;

  ConvPlan<T> plan_;
  bool bias_;
  Index n_kernel_weights_;  // where the biases begin in theta
};

}  // namespace ebp

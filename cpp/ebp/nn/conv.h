// Convolution with shared weights: every unit of a map has the same kernel, moved over the input maps.
#pragma once

#include "ebp/nn/conv_shape.h"
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
  const ConvShape& shape() const { return shape_; }
  std::vector<ParameterBlock> parameter_blocks() const override;

  void forward(Index n, const T* theta, const T* x, T* y) const override;
  void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const override;
  void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const override;
  void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                       T* dy) const override;
  void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx, const T* gy,
                        const T* dgy, T* dgx, T* dgtheta) const override;

 private:
  // Sizes of the buffers of one sample.
  Index n_terms() const { return shape_.maps_in * shape_.n_taps(); }
  Index planes_size() const;
  Index gradient_step() const;

  // planes = x with its padding, zero elsewhere; squared if asked for.
  void fill_planes(const T* x, bool squared, T* planes) const;
  // stretches (maps_out, gradient_step) = gy at the positions of its outputs, zero elsewhere.
  void fill_stretches(const T* gy, T* stretches) const;
  // table (maps_out, n_terms) = the kernels of theta, zero where maps are not connected; squared if asked
  // for.
  void fill_table(const T* theta, bool squared, T* table) const;

  // y = or += the outputs, without bias.
  void product(const T* table, const T* planes, bool add, T* y) const;
  // gx = or += what reaches the inputs.
  void transposed_product(const T* table, const T* stretches, bool add, T* gx) const;
  // gtheta += the sums over connections; the bias part, from gy, only if `with_bias`.
  void accumulate(const T* stretches, const T* planes, const T* gy, bool with_bias, T* gtheta) const;
  void add_bias(const T* theta, T* y) const;
  // Both passes down, with everything squared or not.
  void backward_rows(Index n, const T* theta, const T* x, const T* gy, bool squared, T* gx, T* gtheta) const;

  ConvShape shape_;
  bool bias_;
  Index n_kernel_weights_;        // where the biases begin in theta
  Index margin_;                  // zeros before a stretch of output gradients
  std::vector<Index> table_at_;   // 0, 1, ...: the terms of a row of the table
  std::vector<Index> planes_at_;  // offset of each term's first value in the planes
  struct Phase {  // the plane of each map that begins at row and column (phase / stride, phase % stride)
    std::vector<Index> table_at, stretch_at;
  };
  std::vector<Phase> phases_;
};

}  // namespace ebp

// Subsampling: sums over windows that do not overlap, and one trainable coefficient and bias a map.
//
// LeNet's subsampling layer is a WindowSum2D followed by a MapScale and a sigmoid; average pooling is a
// WindowSum2D with the factor 1 / size^2.
#pragma once

#include "ebp/nn/module.h"

namespace ebp {

// Maps of an image and the windows of size x size that tile it.
struct WindowGrid {
  Index maps, height, width, size;

  // Throws std::invalid_argument unless the windows tile the image; `layer` is named in the message.
  WindowGrid(Index maps, Index height, Index width, Index size, const char* layer);
  Index out_height() const { return height / size; }
  Index out_width() const { return width / size; }
  Index n_inputs() const { return maps * height * width; }
  Index n_outputs() const { return maps * out_height() * out_width(); }
};

// y = factor times the sum over each window; no parameters.
template <class T>
class WindowSum2D final : public Module<T> {
 public:
  WindowSum2D(WindowGrid grid, double factor);

  const char* kind() const override { return "window_sum2d"; }

  void forward(Index n, const T* theta, const T* x, T* y) const override;
  void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const override;
  void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const override;
  void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                       T* dy) const override;
  void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx, const T* gy,
                        const T* dgy, T* dgx, T* dgtheta) const override;

 private:
  // gx = factor times the output gradient of each input's window
  void spread(Index n, T factor, const T* gy, T* gx) const;

  WindowGrid grid_;
  T factor_;
};

// y = c[m] x + b[m] for all units of map m. theta = the coefficients c (maps), then the biases b (maps).
template <class T>
class MapScale final : public Module<T> {
 public:
  // `fan_in` is the number of connections that reach each unit, which x has summed up already.
  MapScale(Index maps, Index units, Index fan_in);

  const char* kind() const override { return "map_scale"; }
  std::vector<ParameterBlock> parameter_blocks() const override;

  void forward(Index n, const T* theta, const T* x, T* y) const override;
  void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const override;
  void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const override;
  void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                       T* dy) const override;
  void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx, const T* gy,
                        const T* dgy, T* dgx, T* dgtheta) const override;

 private:
  // gtheta += the sums over units of gy x^power, and of gy if `with_bias`.
  void accumulate(Index n, const T* x, const T* gy, bool squared, bool with_bias, T* gtheta) const;
  // gx = or += c^power gy
  void scale(Index n, const T* coefficients, const T* gy, bool squared, bool add, T* gx) const;

  Index maps_, units_, fan_in_;
};

}  // namespace ebp

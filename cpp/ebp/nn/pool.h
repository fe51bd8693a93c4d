// Max pooling: the largest value of each window; what passes down goes to the first input that holds it.
#pragma once

#include "ebp/nn/subsample.h"

namespace ebp {

template <class T>
class MaxPool2D final : public Module<T> {
 public:
  explicit MaxPool2D(WindowGrid grid) : Module<T>(grid.n_inputs(), grid.n_outputs(), 0), grid_(grid) {}

  const char* kind() const override { return "max_pool2d"; }
  const WindowGrid& grid() const { return grid_; }

  void forward(Index n, const T* theta, const T* x, T* y) const override;
  void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const override;
  void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const override;
  void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                       T* dy) const override;
  void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx, const T* gy,
                        const T* dgy, T* dgx, T* dgtheta) const override;

 private:
  // Calls body(output, input) with the positions of each window and of its largest value, over all n rows.
  template <class Body>
  void for_winners(Index n, const T* x, Body&& body) const;

  WindowGrid grid_;
};

}  // namespace ebp

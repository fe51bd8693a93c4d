#include "ebp/nn/conv.h"

#include <algorithm>
#include <utility>

#include "ebp/base/scratch.h"

namespace ebp {
namespace {

Index n_weights(const ConvShape& shape) { return shape.n_kernels() * shape.n_taps(); }

template <class T>
void square(T* values, Index count) {
  for (Index k = 0; k < count; ++k) values[k] *= values[k];
}

}  // namespace

template <class T>
Conv2D<T>::Conv2D(ConvShape shape, bool bias)
    : Module<T>(shape.maps_in * shape.height * shape.width, shape.maps_out * shape.n_positions(),
                n_weights(shape) + (bias ? shape.maps_out : 0)),
      plan_(shape),
      bias_(bias),
      n_kernel_weights_(n_weights(shape)) {}

template <class T>
struct Conv2D<T>::Buffers {
  explicit Buffers(const ConvPlan<T>& plan)
      : plan(plan),
        table(plan.table_size()),
        frame(plan.frame_size()),
        columns(plan.columns_size()),
        totals(plan.totals_size()),
        deltas(plan.deltas_size()) {
    std::fill_n(deltas.data(), plan.deltas_size(), T(0));
  }

  const ConvPlan<T>& plan;
  Scratch<T> table, frame, columns, totals, deltas;

  void take_inputs(const T* x, bool squared) {
    plan.fill_frame(x, frame.data());
    if (squared) square(frame.data(), plan.frame_size());
    plan.fill_columns(frame.data(), columns.data());
  }
  // y = or += the outputs, without bias.
  void product(const T* kernels, bool add, T* y) {
    plan.product(kernels, columns.data(), totals.data());
    const Index units = plan.shape().n_positions();
    const T* from = totals.data();
    for (Index o = 0; o < plan.shape().maps_out; ++o, from += plan.totals_step(), y += units)
      for (Index k = 0; k < units; ++k) y[k] = add ? y[k] + from[k] : from[k];
  }
  void take_gradients(const T* gy) {
    const Index units = plan.shape().n_positions();
    T* to = deltas.data() + plan.deltas_start();
    for (Index o = 0; o < plan.shape().maps_out; ++o, gy += units, to += plan.deltas_step())
      std::copy_n(gy, units, to);
  }
  // gx = or += what reaches the inputs through the kernels of theta.
  void transposed_product(const T* theta, bool add, T* gx) {
    plan.transposed_product(theta, deltas.data(), frame.data());
    plan.fold_frame(frame.data(), add, gx);
  }
};

template <class T>
std::vector<ParameterBlock> Conv2D<T>::parameter_blocks() const {
  const ConvShape& s = shape();
  std::vector<Index> sizes;
  for (const auto& row : s.sources) sizes.push_back(Index(row.size()) * s.n_taps());
  std::vector<ParameterBlock> blocks{{"weights",
                                      0,
                                      {s.n_kernels(), s.kernel_height, s.kernel_width},
                                      sizes,
                                      sizes,
                                      s.n_positions(),
                                      Role::kWeight}};
  const std::vector<Index> ones(sizes.size(), 1);
  if (bias_)
    blocks.push_back({"bias", n_kernel_weights_, {s.maps_out}, ones, sizes, s.n_positions(), Role::kBias});
  return blocks;
}

template <class T>
void Conv2D<T>::add_bias(const T* theta, T* y) const {
  if (!bias_) return;
  const Index units = shape().n_positions();
  for (Index o = 0; o < shape().maps_out; ++o, y += units) {
    const T bias = theta[n_kernel_weights_ + o];
    for (Index k = 0; k < units; ++k) y[k] += bias;
  }
}

template <class T>
void Conv2D<T>::accumulate_bias(const T* gy, T* gtheta) const {
  if (!bias_) return;
  const Index units = shape().n_positions();
  for (Index o = 0; o < shape().maps_out; ++o, gy += units) {
    simd::Pack<T> sums{};
    simd::for_lanes<T>(units, [&](Index k, auto lanes) { sums += lanes.load(gy + k); });
    gtheta[n_kernel_weights_ + o] += simd::sum<T>(sums);
  }
}

template <class T>
void Conv2D<T>::forward(Index n, const T* theta, const T* x, T* y) const {
  Buffers buffers(plan_);
  const T* table = plan_.table(theta, buffers.table.data());
  for (Index row = 0; row < n; ++row, x += this->n_inputs(), y += this->n_outputs()) {
    buffers.take_inputs(x, false);
    buffers.product(table, false, y);
    add_bias(theta, y);
  }
}

template <class T>
void Conv2D<T>::backpropagate(Index n, const T* theta, const T* x, const T* gy, bool squared, T* gx,
                              T* gtheta) const {
  Buffers buffers(plan_);
  Scratch<T> squares(squared ? n_kernel_weights_ : 0);
  if (squared) {
    std::copy_n(theta, n_kernel_weights_, squares.data());
    square(squares.data(), n_kernel_weights_);
    theta = squares.data();
  }
  for (Index row = 0; row < n; ++row, x += this->n_inputs(), gy += this->n_outputs()) {
    buffers.take_gradients(gy);
    if (gtheta) {
      buffers.take_inputs(x, squared);
      plan_.correlate(buffers.deltas.data(), buffers.columns.data(), true, gtheta);
      accumulate_bias(gy, gtheta);
    }
    if (gx) buffers.transposed_product(theta, false, gx + row * this->n_inputs());
  }
}

template <class T>
void Conv2D<T>::backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const {
  backpropagate(n, theta, x, gy, false, gx, gtheta);
}

template <class T>
void Conv2D<T>::backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const {
  backpropagate(n, theta, x, hy, true, hx, htheta);
}

template <class T>
void Conv2D<T>::forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                T* dy) const {
  if (dtheta) forward(n, dtheta, x, dy);
  if (!dx) return;
  Buffers buffers(plan_);
  const T* table = plan_.table(theta, buffers.table.data());
  for (Index row = 0; row < n; ++row, dx += this->n_inputs(), dy += this->n_outputs()) {
    buffers.take_inputs(dx, false);
    buffers.product(table, dtheta != nullptr, dy);
  }
}

template <class T>
void Conv2D<T>::backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                 const T* gy, const T* dgy, T* dgx, T* dgtheta) const {
  backpropagate(n, theta, x, dgy, false, dgx, dgtheta);
  const bool weights_turn = dx && dgtheta, inputs_turn = dtheta && dgx;
  if (!weights_turn && !inputs_turn) return;
  Buffers buffers(plan_);
  for (Index row = 0; row < n; ++row, gy += this->n_outputs()) {
    buffers.take_gradients(gy);
    if (weights_turn) {
      buffers.take_inputs(dx + row * this->n_inputs(), false);
      // the bias's input is constant, so its tangent is 0
      plan_.correlate(buffers.deltas.data(), buffers.columns.data(), true, dgtheta);
    }
    if (inputs_turn) buffers.transposed_product(dtheta, true, dgx + row * this->n_inputs());
  }
}

template class Conv2D<float>;
template class Conv2D<double>;

}  // namespace ebp

#include "ebp/nn/dense.h"

#include <algorithm>

#include "ebp/base/aligned.h"
#include "ebp/base/blas.h"

namespace ebp {
namespace {

template <class T>
AlignedVector<T> squares(const T* values, Index count) {
  AlignedVector<T> result(values, values + count);
  for (T& value : result) value *= value;
  return result;
}

}  // namespace

template <class T>
Dense<T>::Dense(Index n_inputs, Index n_outputs, bool bias)
    : Module<T>(n_inputs, n_outputs, n_outputs * (n_inputs + (bias ? 1 : 0))), bias_(bias) {
  require(n_outputs >= 1, "Dense", "units must be at least 1", n_outputs);
}

template <class T>
std::vector<ParameterBlock> Dense<T>::parameter_blocks() const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  const std::vector<Index> fan_ins(std::size_t(o), i), ones(std::size_t(o), 1);
  std::vector<ParameterBlock> blocks{{"weights", 0, {o, i}, fan_ins, fan_ins, 1, Role::kWeight}};
  if (bias_) blocks.push_back({"bias", o * i, {o}, ones, fan_ins, 1, Role::kBias});
  return blocks;
}

template <class T>
void Dense<T>::product(Index n, const T* weights, const T* x, T beta, T* y) const {
  blas::gemm(blas::Op::kPlain, blas::Op::kTransposed, n, this->n_outputs(), this->n_inputs(), x, weights,
             beta, y);
}

template <class T>
void Dense<T>::transposed_product(Index n, const T* weights, const T* gy, T beta, T* gx) const {
  blas::gemm(blas::Op::kPlain, blas::Op::kPlain, n, this->n_inputs(), this->n_outputs(), gy, weights, beta,
             gx);
}

template <class T>
void Dense<T>::accumulate(Index n, const T* x, const T* gy, bool with_bias, T* gtheta) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  blas::gemm(blas::Op::kTransposed, blas::Op::kPlain, o, i, n, gy, x, T(1), gtheta);
  if (!with_bias) return;
  T* gbias = gtheta + o * i;
  for (Index row = 0; row < n; ++row)
    for (Index k = 0; k < o; ++k) gbias[k] += gy[row * o + k];
}

template <class T>
void Dense<T>::forward(Index n, const T* theta, const T* x, T* y) const {
  const Index o = this->n_outputs();
  const T* bias = theta + o * this->n_inputs();
  for (Index row = 0; bias_ && row < n; ++row) std::copy_n(bias, o, y + row * o);
  product(n, theta, x, bias_ ? T(1) : T(0), y);
}

template <class T>
void Dense<T>::backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const {
  if (gtheta) accumulate(n, x, gy, bias_, gtheta);
  if (gx) transposed_product(n, theta, gy, T(0), gx);
}

template <class T>
void Dense<T>::backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const {
  accumulate(n, squares(x, n * this->n_inputs()).data(), hy, bias_, htheta);
  if (hx) transposed_product(n, squares(theta, this->n_inputs() * this->n_outputs()).data(), hy, T(0), hx);
}

template <class T>
void Dense<T>::forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                               T* dy) const {
  if (dtheta) forward(n, dtheta, x, dy);
  if (dx) product(n, theta, dx, dtheta ? T(1) : T(0), dy);
}

template <class T>
void Dense<T>::backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                const T* gy, const T* dgy, T* dgx, T* dgtheta) const {
  if (dgtheta) accumulate(n, x, dgy, bias_, dgtheta);
  if (dgtheta && dx) accumulate(n, dx, gy, false, dgtheta);  // the bias's input is constant: its tangent is 0
  if (!dgx) return;
  if (dtheta) transposed_product(n, dtheta, gy, T(0), dgx);
  transposed_product(n, theta, dgy, dtheta ? T(1) : T(0), dgx);
}

template <class T>
void Dense<T>::gradient_rows(Index n, const T*, const T* x, const T* gy, T* rows, Index stride) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  for (Index row = 0; row < n; ++row, x += i, gy += o, rows += stride) {
    for (Index k = 0; k < o; ++k)
      for (Index j = 0; j < i; ++j) rows[k * i + j] = gy[k] * x[j];
    if (bias_) std::copy_n(gy, o, rows + o * i);
  }
}

template <class T>
void Dense<T>::tangent_rows(Index n, const T* theta, const T* x, const T* dx, const T* gy, const T* dgy,
                            T* rows, Index stride) const {
  gradient_rows(n, theta, x, dgy, rows, stride);
  if (!dx) return;
  const Index i = this->n_inputs(), o = this->n_outputs();
  for (Index row = 0; row < n; ++row, dx += i, gy += o, rows += stride)
    for (Index k = 0; k < o; ++k)
      for (Index j = 0; j < i; ++j) rows[k * i + j] += gy[k] * dx[j];
}

template <class T>
void Dense<T>::add_squared_gradients(Index copies, Index n, const T*, const T* x, const T* gy,
                                     T* squared) const {
  AlignedVector<T> sums(std::size_t(n * this->n_outputs()), T(0));
  for (Index copy = 0; copy < copies; ++copy)
    for (std::size_t k = 0; k < sums.size(); ++k, ++gy) sums[k] += *gy * *gy;
  accumulate(n, squares(x, n * this->n_inputs()).data(), sums.data(), bias_, squared);
}

template class Dense<float>;
template class Dense<double>;

}  // namespace ebp

#include "ebp/nn/module.h"

#include <algorithm>

#include "ebp/base/scratch.h"

namespace ebp {

template <class T>
void Module<T>::gradient_rows(Index n, const T* theta, const T* x, const T* gy, T* rows, Index stride) const {
  for (Index row = 0; row < n; ++row, x += n_inputs_, gy += n_outputs_, rows += stride) {
    std::fill_n(rows, n_parameters_, T(0));
    backward(1, theta, x, gy, nullptr, rows);
  }
}

template <class T>
void Module<T>::tangent_rows(Index n, const T* theta, const T* x, const T* dx, const T* gy, const T* dgy,
                             T* rows, Index stride) const {
  for (Index row = 0; row < n; ++row, x += n_inputs_, gy += n_outputs_, dgy += n_outputs_, rows += stride) {
    std::fill_n(rows, n_parameters_, T(0));
    backward_tangent(1, theta, nullptr, x, dx ? dx + row * n_inputs_ : nullptr, gy, dgy, nullptr, rows);
  }
}

template <class T>
void Module<T>::add_squared_gradients(Index copies, Index n, const T* theta, const T* x, const T* gy,
                                      T* squares) const {
  Scratch<T> gradient(n_parameters_);
  for (Index row = 0; row < copies * n; ++row, gy += n_outputs_) {
    gradient_rows(1, theta, x + row % n * n_inputs_, gy, gradient.data(), n_parameters_);
    for (Index k = 0; k < n_parameters_; ++k) squares[k] += gradient.data()[k] * gradient.data()[k];
  }
}

template class Module<float>;
template class Module<double>;

}  // namespace ebp

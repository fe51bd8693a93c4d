#include "ebp/nn/activation.h"

#include <array>
#include <utility>

namespace ebp {
namespace {

constexpr std::array<std::pair<const char*, Function>, 5> kFunctions{{{"identity", Function::kIdentity},
                                                                      {"scaled_tanh", Function::kScaledTanh},
                                                                      {"tanh", Function::kTanh},
                                                                      {"logistic", Function::kLogistic},
                                                                      {"relu", Function::kRelu}}};

}  // namespace

Function function_from_name(const std::string& name) {
  for (const auto& [known, function] : kFunctions)
    if (name == known) return function;
  require(false, "Activation", "activation must be one of identity, scaled_tanh, tanh, logistic, relu", name);
  return Function::kIdentity;
}

const char* name_of(Function function) {
  for (const auto& [known, value] : kFunctions)
    if (value == function) return known;
  return "";
}

template <class T>
void Activation<T>::forward(Index n, const T*, const T* x, T* y) const {
  simd::for_lanes<T>(n * this->n_inputs(), [&](Index i, auto lanes) {
    simd::Pack<T> value, slope;
    sigmoid_.value_and_slope(lanes.load(x + i), value, slope);
    lanes.store(y + i, value);
  });
}

template <class T>
void Activation<T>::backward(Index n, const T*, const T* x, const T* gy, T* gx, T*) const {
  if (!gx) return;
  simd::for_lanes<T>(n * this->n_inputs(), [&](Index i, auto lanes) {
    simd::Pack<T> value, slope;
    sigmoid_.value_and_slope(lanes.load(x + i), value, slope);
    lanes.store(gx + i, slope * lanes.load(gy + i));
  });
}

template <class T>
void Activation<T>::backward_curvature(Index n, const T*, const T* x, const T* hy, T* hx, T*) const {
  if (!hx) return;
  simd::for_lanes<T>(n * this->n_inputs(), [&](Index i, auto lanes) {
    simd::Pack<T> value, slope;
    sigmoid_.value_and_slope(lanes.load(x + i), value, slope);
    lanes.store(hx + i, slope * slope * lanes.load(hy + i));
  });
}

template <class T>
void Activation<T>::forward_tangent(Index n, const T* theta, const T*, const T* x, const T* dx, T* dy) const {
  backward(n, theta, x, dx, dy, nullptr);  // the Jacobian is diagonal, so both directions are one product
}

template <class T>
void Activation<T>::backward_tangent(Index n, const T*, const T*, const T* x, const T* dx, const T* gy,
                                     const T* dgy, T* dgx, T*) const {
  if (!dgx) return;
  if (!dx) return backward(n, nullptr, x, dgy, dgx, nullptr);
  simd::for_lanes<T>(n * this->n_inputs(), [&](Index i, auto lanes) {
    const simd::Pack<T> y = lanes.load(x + i);
    simd::Pack<T> value, slope;
    sigmoid_.value_and_slope(y, value, slope);
    const simd::Pack<T> bent = sigmoid_.bend(y) * lanes.load(dx + i) * lanes.load(gy + i);
    lanes.store(dgx + i, bent + slope * lanes.load(dgy + i));
  });
}

template class Activation<float>;
template class Activation<double>;

}  // namespace ebp

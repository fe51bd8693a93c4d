// Pointwise activation functions, section 4.4.
#pragma once

#include <string>

#include "ebp/base/simd.h"
#include "ebp/nn/module.h"

namespace ebp {

enum class Function { kIdentity, kScaledTanh, kTanh, kLogistic, kRelu };

// The recommended sigmoid is A tanh(S y) with f(1) = 1 very nearly.
inline constexpr double kScaledTanhAmplitude = 1.7159;
inline constexpr double kScaledTanhSlope = 2.0 / 3.0;

// Throws std::invalid_argument, listing the known names.
Function function_from_name(const std::string& name);
const char* name_of(Function function);

// f(y) + twist y and its derivatives on one pack of total inputs. The twist term keeps flat spots from
// stalling learning; it counts in f, in f' and so in f'^2.
template <class T>
struct Sigmoid {
  Function function;
  T twist;

  // Sets f(y) and f'(y).
  void value_and_slope(simd::Pack<T> y, simd::Pack<T>& value, simd::Pack<T>& slope) const;
  // Sets f'(y) and f''(y).
  void slope_and_bend(simd::Pack<T> y, simd::Pack<T>& slope, simd::Pack<T>& bend) const;
};

template <class T>
inline __attribute__((always_inline)) void Sigmoid<T>::value_and_slope(simd::Pack<T> y, simd::Pack<T>& value,
                                                                       simd::Pack<T>& slope) const {
  constexpr T A = T(kScaledTanhAmplitude), S = T(kScaledTanhSlope);
  value = slope = y;
  switch (function) {
    case Function::kScaledTanh: {
      const simd::Pack<T> t = simd::tanh<T>(S * y);
      value = A * t;
      slope = (A * S) * (T(1) - t * t);
      break;
    }
    case Function::kTanh:
      value = simd::tanh<T>(y);
      slope = T(1) - value * value;
      break;
    case Function::kLogistic:
      value = simd::logistic<T>(y);
      slope = value * (T(1) - value);
      break;
    case Function::kRelu:
      value = y < T(0) ? simd::Pack<T>{} : y;  // in this order NaN stays visible
      slope = y > T(0) ? simd::broadcast(T(1)) : simd::broadcast(T(0));
      break;
    case Function::kIdentity:
      slope = simd::broadcast(T(1));
      break;
  }
  if (twist == T(0)) return;  // 0 times infinity is not 0
  value += twist * y;
  slope += twist;
}

template <class T>
inline __attribute__((always_inline)) void Sigmoid<T>::slope_and_bend(simd::Pack<T> y, simd::Pack<T>& slope,
                                                                      simd::Pack<T>& bend) const {
  simd::Pack<T> value;
  Sigmoid{function, T(0)}.value_and_slope(y, value, slope);
  switch (function) {
    case Function::kScaledTanh:
      bend = T(-2 * kScaledTanhSlope / kScaledTanhAmplitude) * value * slope;
      break;
    case Function::kTanh:
      bend = T(-2) * value * slope;
      break;
    case Function::kLogistic:
      bend = slope * (T(1) - T(2) * value);
      break;
    default:
      bend = simd::Pack<T>{};
  }
  if (twist != T(0)) slope += twist;
}

// The activation as a module: y = f(x), element by element, no parameters.
template <class T>
class Activation final : public Module<T> {
 public:
  Activation(Index width, Function function, double twist)
      : Module<T>(width, width, 0), sigmoid_{function, T(twist)} {}

  const char* kind() const override { return "activation"; }
  const Sigmoid<T>& sigmoid() const { return sigmoid_; }

  void forward(Index n, const T* theta, const T* x, T* y) const override;
  void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const override;
  void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const override;
  void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                       T* dy) const override;
  void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx, const T* gy,
                        const T* dgy, T* dgx, T* dgtheta) const override;

 private:
  Sigmoid<T> sigmoid_;
};

}  // namespace ebp

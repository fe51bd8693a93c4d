#include "ebp/nn/conv.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ebp/base/scratch.h"
#include "ebp/nn/conv_kernels.h"

namespace ebp {
namespace {

Index n_weights(const ConvShape& shape) { return shape.n_kernels() * shape.n_taps(); }

template <class T>
T squared_if(bool squared, T value) {
  return squared ? value * value : value;
}

}  // namespace

template <class T>
Conv2D<T>::Conv2D(ConvShape shape, bool bias)
    : Module<T>(shape.maps_in * shape.height * shape.width,
                shape.maps_out * shape.out_height * shape.out_width,
                n_weights(shape) + (bias ? shape.maps_out : 0)),
      shape_(std::move(shape)),
      bias_(bias),
      n_kernel_weights_(n_weights(shape_)),
      table_at_(std::size_t(n_terms())),
      phases_(std::size_t(shape_.stride * shape_.stride)) {
  std::iota(table_at_.begin(), table_at_.end(), Index(0));
  const Index s = shape_.stride, kh = shape_.kernel_height, kw = shape_.kernel_width;
  for (Index i = 0; i < shape_.maps_in; ++i)
    for (Index a = 0; a < kh; ++a)
      for (Index b = 0; b < kw; ++b) planes_at_.push_back(shape_.tap_offset(i, a, b));
  margin_ = simd::padded<T>((kh - 1) / s * shape_.pitch + (kw - 1) / s);
  for (Index o = 0; o < shape_.maps_out; ++o)
    for (Index a = 0; a < kh; ++a)
      for (Index b = 0; b < kw; ++b) {
        Phase& phase = phases_[std::size_t(a % s * s + b % s)];
        phase.table_at.push_back(o * n_terms() + a * kw + b);
        phase.stretch_at.push_back(o * gradient_step() + margin_ - (a / s * shape_.pitch + b / s));
      }
}

template <class T>
Index Conv2D<T>::planes_size() const {
  return shape_.n_planes() * shape_.plane_size() + simd::kLanes<T>;
}

template <class T>
Index Conv2D<T>::gradient_step() const {
  return margin_ + simd::padded<T>(shape_.plane_size());
}

template <class T>
std::vector<ParameterBlock> Conv2D<T>::parameter_blocks() const {
  const Index taps = shape_.n_taps();
  std::vector<Index> sizes;
  for (const auto& row : shape_.sources) sizes.push_back(Index(row.size()) * taps);
  const Index shares = shape_.out_height * shape_.out_width;
  std::vector<ParameterBlock> blocks{{"weights",
                                      0,
                                      {shape_.n_kernels(), shape_.kernel_height, shape_.kernel_width},
                                      sizes,
                                      sizes,
                                      shares,
                                      false}};
  const std::vector<Index> ones(sizes.size(), 1);
  if (bias_) blocks.push_back({"bias", n_kernel_weights_, {shape_.maps_out}, ones, sizes, shares, true});
  return blocks;
}

template <class T>
void Conv2D<T>::fill_planes(const T* x, bool squared, T* planes) const {
  const Index s = shape_.stride, height = shape_.height, width = shape_.width;
  std::fill_n(planes, planes_size(), T(0));
  const bool wraps = shape_.padding == Padding::kWrap;
  for (Index plane = 0; plane < shape_.n_planes(); ++plane, planes += shape_.plane_size()) {
    const T* image = x + plane / (s * s) * height * width;
    const Index first_row = plane / s % s - shape_.pad_top, first_column = plane % s - shape_.pad_left;
    for (Index r = 0; r < shape_.plane_height; ++r) {
      Index row = first_row + r * s;
      if (wraps) row %= height;
      if (row < 0 || row >= height) continue;
      T* to = planes + r * shape_.pitch;
      for (Index c = 0; c < shape_.pitch; ++c) {
        Index column = first_column + c * s;
        if (wraps) column %= width;
        if (column >= 0 && column < width) to[c] = squared_if(squared, image[row * width + column]);
      }
    }
  }
}

template <class T>
void Conv2D<T>::fill_stretches(const T* gy, T* stretches) const {
  std::fill_n(stretches, shape_.maps_out * gradient_step() + simd::kLanes<T>, T(0));
  for (Index o = 0; o < shape_.maps_out; ++o)
    for (Index r = 0; r < shape_.out_height; ++r, gy += shape_.out_width)
      std::copy_n(gy, shape_.out_width, stretches + o * gradient_step() + margin_ + r * shape_.pitch);
}

template <class T>
void Conv2D<T>::fill_table(const T* theta, bool squared, T* table) const {
  const Index taps = shape_.n_taps();
  if (!shape_.full) std::fill_n(table, shape_.maps_out * n_terms(), T(0));
  for (Index o = 0; o < shape_.maps_out; ++o)
    for (Index i : shape_.sources[std::size_t(o)]) {
      T* to = table + o * n_terms() + i * taps;
      for (Index tap = 0; tap < taps; ++tap) to[tap] = squared_if(squared, *theta++);
    }
}

template <class T>
void Conv2D<T>::product(const T* table, const T* planes, bool add, T* y) const {
  const Index step = simd::padded<T>(shape_.n_positions);
  Scratch<T> stretches(shape_.maps_out * step);
  conv::weighted_sums(shape_.maps_out, shape_.n_positions, n_terms(), table, n_terms(), table_at_.data(),
                      planes, planes_at_.data(), stretches.data(), step);
  for (Index o = 0; o < shape_.maps_out; ++o)
    for (Index r = 0; r < shape_.out_height; ++r, y += shape_.out_width) {
      const T* from = stretches.data() + o * step + r * shape_.pitch;
      for (Index c = 0; c < shape_.out_width; ++c) y[c] = add ? y[c] + from[c] : from[c];
    }
}

template <class T>
void Conv2D<T>::transposed_product(const T* table, const T* stretches, bool add, T* gx) const {
  const Index s = shape_.stride, height = shape_.height, width = shape_.width, size = shape_.plane_size();
  if (!add) std::fill_n(gx, this->n_inputs(), T(0));
  const Index step = simd::padded<T>(size);
  Scratch<T> planes(shape_.maps_in * step);
  for (Index phase = 0; phase < s * s; ++phase) {
    const Phase& terms = phases_[std::size_t(phase)];
    if (terms.table_at.empty()) continue;
    conv::weighted_sums(shape_.maps_in, size, Index(terms.table_at.size()), table, shape_.n_taps(),
                        terms.table_at.data(), stretches, terms.stretch_at.data(), planes.data(), step);
    const Index first_row = phase / s - shape_.pad_top, first_column = phase % s - shape_.pad_left;
    for (Index i = 0; i < shape_.maps_in; ++i)
      for (Index r = 0; r < shape_.plane_height; ++r) {
        Index row = first_row + r * s;
        if (shape_.padding == Padding::kWrap) row %= height;
        if (row < 0 || row >= height) continue;
        const T* from = planes.data() + i * step + r * shape_.pitch;
        T* image = gx + (i * height + row) * width;
        for (Index c = 0; c < shape_.pitch; ++c) {
          Index column = first_column + c * s;
          if (shape_.padding == Padding::kWrap) column %= width;
          if (column >= 0 && column < width) image[column] += from[c];
        }
      }
  }
}

template <class T>
void Conv2D<T>::accumulate(const T* stretches, const T* planes, const T* gy, bool with_bias,
                           T* gtheta) const {
  Scratch<T> table(shape_.maps_out * n_terms());
  conv::correlations(shape_.maps_out, shape_.n_positions, n_terms(), stretches + margin_, gradient_step(),
                     planes, planes_at_.data(), table.data());
  T* to = gtheta;
  const Index taps = shape_.n_taps();
  for (Index o = 0; o < shape_.maps_out; ++o)
    for (Index i : shape_.sources[std::size_t(o)]) {
      const T* from = table.data() + o * n_terms() + i * taps;
      for (Index tap = 0; tap < taps; ++tap) *to++ += from[tap];
    }
  if (!bias_ || !with_bias) return;
  const Index units = shape_.out_height * shape_.out_width;
  for (Index o = 0; o < shape_.maps_out; ++o, gy += units) {
    simd::Pack<T> sums{};
    simd::for_lanes<T>(units, [&](Index k, auto lanes) { sums += lanes.load(gy + k); });
    to[o] += simd::sum<T>(sums);
  }
}

template <class T>
void Conv2D<T>::add_bias(const T* theta, T* y) const {
  if (!bias_) return;
  const Index units = shape_.out_height * shape_.out_width;
  for (Index o = 0; o < shape_.maps_out; ++o, y += units) {
    const T bias = theta[n_kernel_weights_ + o];
    for (Index k = 0; k < units; ++k) y[k] += bias;
  }
}

template <class T>
void Conv2D<T>::forward(Index n, const T* theta, const T* x, T* y) const {
  Scratch<T> table(shape_.maps_out * n_terms()), planes(planes_size());
  fill_table(theta, false, table.data());
  for (Index row = 0; row < n; ++row, x += this->n_inputs(), y += this->n_outputs()) {
    fill_planes(x, false, planes.data());
    product(table.data(), planes.data(), false, y);
    add_bias(theta, y);
  }
}

template <class T>
void Conv2D<T>::backward_rows(Index n, const T* theta, const T* x, const T* gy, bool squared, T* gx,
                              T* gtheta) const {
  Scratch<T> table(shape_.maps_out * n_terms()), planes(planes_size());
  Scratch<T> stretches(shape_.maps_out * gradient_step() + simd::kLanes<T>);
  fill_table(theta, squared, table.data());
  for (Index row = 0; row < n; ++row, x += this->n_inputs(), gy += this->n_outputs()) {
    fill_planes(x, squared, planes.data());
    fill_stretches(gy, stretches.data());
    accumulate(stretches.data(), planes.data(), gy, true, gtheta);
    if (gx) transposed_product(table.data(), stretches.data(), false, gx + row * this->n_inputs());
  }
}

template <class T>
void Conv2D<T>::backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const {
  backward_rows(n, theta, x, gy, false, gx, gtheta);
}

template <class T>
void Conv2D<T>::backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx, T* htheta) const {
  backward_rows(n, theta, x, hy, true, hx, htheta);
}

template <class T>
void Conv2D<T>::forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                T* dy) const {
  Scratch<T> table(shape_.maps_out * n_terms()), planes(planes_size());
  fill_table(theta, false, table.data());
  forward(n, dtheta, x, dy);
  for (Index row = 0; row < n; ++row, dx += this->n_inputs(), dy += this->n_outputs()) {
    fill_planes(dx, false, planes.data());
    product(table.data(), planes.data(), true, dy);
  }
}

template <class T>
void Conv2D<T>::backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                 const T* gy, const T* dgy, T* dgx, T* dgtheta) const {
  backward_rows(n, theta, x, dgy, false, dgx, dgtheta);
  Scratch<T> table(shape_.maps_out * n_terms()), planes(planes_size());
  Scratch<T> stretches(shape_.maps_out * gradient_step() + simd::kLanes<T>);
  fill_table(dtheta, false, table.data());
  for (Index row = 0; row < n; ++row, dx += this->n_inputs(), gy += this->n_outputs()) {
    fill_planes(dx, false, planes.data());
    fill_stretches(gy, stretches.data());
    // the bias's input is constant, so its tangent is 0
    accumulate(stretches.data(), planes.data(), gy, false, dgtheta);
    if (dgx) transposed_product(table.data(), stretches.data(), true, dgx + row * this->n_inputs());
  }
}

template class Conv2D<float>;
template class Conv2D<double>;

}  // namespace ebp

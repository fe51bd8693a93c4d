#include "ebp/nn/subsample.h"

#include <algorithm>

#include "ebp/base/simd.h"

namespace ebp {

WindowGrid::WindowGrid(Index maps_, Index height_, Index width_, Index size_, const char* layer)
    : maps(maps_), height(height_), width(width_), size(size_) {
  require(maps >= 1 && height >= 1 && width >= 1, layer, "the input must have maps with rows and columns",
          maps);
  require(size >= 1, layer, "size must be at least 1", size);
  require(height % size == 0 && width % size == 0, layer,
          "windows must tile the image; size must divide its sides", size);
}

template <class T>
WindowSum2D<T>::WindowSum2D(WindowGrid grid, double factor)
    : Module<T>(grid.n_inputs(), grid.n_outputs(), 0), grid_(grid), factor_(T(factor)) {}

namespace {

// One row of n windows, whose values are kSize rows (0: `size` rows), `width` apart.
template <int kSize, class T>
inline void sum_windows(Index n, Index size, Index width, T factor, const T* __restrict x, T* __restrict y) {
  if (kSize) size = kSize;
  for (Index c = 0; c < n; ++c) {
    T sum = 0;
    for (Index a = 0; a < size; ++a)
      for (Index b = 0; b < size; ++b) sum += x[a * width + c * size + b];
    y[c] = factor * sum;
  }
}

template <int kSize, class T>
inline void spread_windows(Index n, Index size, Index width, T factor, const T* __restrict gy,
                           T* __restrict gx) {
  if (kSize) size = kSize;
  for (Index a = 0; a < size; ++a, gx += width)
    for (Index c = 0; c < n; ++c)
      for (Index b = 0; b < size; ++b) gx[c * size + b] = factor * gy[c];
}

}  // namespace

template <class T>
void WindowSum2D<T>::forward(Index n, const T*, const T* x, T* y) const {
  const Index size = grid_.size, width = grid_.width, columns = grid_.out_width();
  const auto sum = size == 2 ? sum_windows<2, T> : sum_windows<0, T>;
  for (Index row = 0; row < n * grid_.maps * grid_.out_height(); ++row, x += size * width, y += columns)
    sum(columns, size, width, factor_, x, y);
}

template <class T>
void WindowSum2D<T>::spread(Index n, T factor, const T* gy, T* gx) const {
  const Index size = grid_.size, width = grid_.width, columns = grid_.out_width();
  const auto spread = size == 2 ? spread_windows<2, T> : spread_windows<0, T>;
  for (Index row = 0; row < n * grid_.maps * grid_.out_height(); ++row, gx += size * width, gy += columns)
    spread(columns, size, width, factor, gy, gx);
}

template <class T>
void WindowSum2D<T>::backward(Index n, const T*, const T*, const T* gy, T* gx, T*) const {
  if (gx) spread(n, factor_, gy, gx);
}

template <class T>
void WindowSum2D<T>::backward_curvature(Index n, const T*, const T*, const T* hy, T* hx, T*) const {
  if (hx) spread(n, factor_ * factor_, hy, hx);
}

template <class T>
void WindowSum2D<T>::forward_tangent(Index n, const T* theta, const T*, const T*, const T* dx, T* dy) const {
  forward(n, theta, dx, dy);
}

template <class T>
void WindowSum2D<T>::backward_tangent(Index n, const T* theta, const T*, const T* x, const T*, const T*,
                                      const T* dgy, T* dgx, T* dgtheta) const {
  backward(n, theta, x, dgy, dgx, dgtheta);
}

template <class T>
MapScale<T>::MapScale(Index maps, Index units, Index fan_in)
    : Module<T>(maps * units, maps * units, 2 * maps), maps_(maps), units_(units), fan_in_(fan_in) {
  require(maps >= 1 && units >= 1, "MapScale", "there must be maps with units", maps);
}

template <class T>
std::vector<ParameterBlock> MapScale<T>::parameter_blocks() const {
  const std::vector<Index> ones(std::size_t(maps_), 1), fan_ins(std::size_t(maps_), fan_in_);
  return {{"coefficients", 0, {maps_}, ones, fan_ins, units_ * fan_in_, Role::kWeight},
          {"bias", maps_, {maps_}, ones, fan_ins, units_, Role::kBias}};
}

template <class T>
void MapScale<T>::scale(Index n, const T* coefficients, const T* gy, bool squared, bool add, T* gx) const {
  for (Index row = 0; row < n * maps_; ++row, gy += units_, gx += units_) {
    const T c = coefficients[row % maps_], factor = squared ? c * c : c;
    for (Index k = 0; k < units_; ++k) gx[k] = add ? gx[k] + factor * gy[k] : factor * gy[k];
  }
}

template <class T>
void MapScale<T>::accumulate(Index n, const T* x, const T* gy, bool squared, bool with_bias,
                             T* gtheta) const {
  for (Index row = 0; row < n * maps_; ++row, x += units_, gy += units_) {
    simd::Pack<T> sums{}, biases{};
    simd::for_lanes<T>(units_, [&](Index k, auto lanes) {
      const simd::Pack<T> input = lanes.load(x + k), g = lanes.load(gy + k);
      sums += g * (squared ? input * input : input);
      biases += g;
    });
    gtheta[row % maps_] += simd::sum<T>(sums);
    if (with_bias) gtheta[maps_ + row % maps_] += simd::sum<T>(biases);
  }
}

template <class T>
void MapScale<T>::forward(Index n, const T* theta, const T* x, T* y) const {
  scale(n, theta, x, false, false, y);
  for (Index row = 0; row < n * maps_; ++row)
    for (Index k = 0; k < units_; ++k) *y++ += theta[maps_ + row % maps_];
}

template <class T>
void MapScale<T>::backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const {
  if (gtheta) accumulate(n, x, gy, false, true, gtheta);
  if (gx) scale(n, theta, gy, false, false, gx);
}

template <class T>
void MapScale<T>::backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx,
                                     T* htheta) const {
  accumulate(n, x, hy, true, true, htheta);
  if (hx) scale(n, theta, hy, true, false, hx);
}

template <class T>
void MapScale<T>::forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                  T* dy) const {
  if (dtheta) forward(n, dtheta, x, dy);
  if (dx) scale(n, theta, dx, false, dtheta != nullptr, dy);
}

template <class T>
void MapScale<T>::backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                   const T* gy, const T* dgy, T* dgx, T* dgtheta) const {
  if (dgtheta) accumulate(n, x, dgy, false, true, dgtheta);
  if (dgtheta && dx) accumulate(n, dx, gy, false, false, dgtheta);  // the bias's input is constant
  if (!dgx) return;
  if (dtheta) scale(n, dtheta, gy, false, false, dgx);
  scale(n, theta, dgy, false, dtheta != nullptr, dgx);
}

template class WindowSum2D<float>;
template class WindowSum2D<double>;
template class MapScale<float>;
template class MapScale<double>;

}  // namespace ebp

#include "ebp/nn/rbf.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ebp {
namespace {

std::vector<ParameterBlock> centres(const char* name, Index i, Index o) {
  const std::vector<Index> sizes(std::size_t(o), i);
  return {{name, 0, {o, i}, sizes, sizes, 1, Role::kPlace}};
}

// A bump's squared distance d and value phi. Where phi vanishes so do its derivatives, also for a width whose
// square is too small for a number.
template <class T>
struct Bump {
  T distance = 0, value = 0;

  Bump(Index i, const T* x, const T* centre, T width) {
    for (Index j = 0; j < i; ++j) distance += (x[j] - centre[j]) * (x[j] - centre[j]);
    if (width * width != 0) value = std::exp(-distance / (2 * width * width));
  }
  // phi / sigma^2, which times x - nu is d phi / d nu
  T slope(T width) const { return value == 0 ? T(0) : value / (width * width); }
  // d phi / d sigma = phi d / sigma^3
  T by_width(T width) const { return value == 0 ? T(0) : value * distance / (width * width * width); }
};

// values[k], 0 where there are none.
template <class T>
T or_zero(const T* values, Index k) {
  return values ? values[k] : T(0);
}

// How many codes (o, i) there are.
template <class T>
Index units_of(Index n_inputs, const std::vector<T>& codes) {
  require(n_inputs >= 1 && !codes.empty() && Index(codes.size()) % n_inputs == 0, "EuclideanRBF",
          "codes must have one row a unit with as many values as there are inputs", codes.size());
  return Index(codes.size()) / n_inputs;
}

}  // namespace

template <class T>
EuclideanRBF<T>::EuclideanRBF(Index n_inputs, Index n_outputs)
    : Module<T>(n_inputs, n_outputs, n_inputs * n_outputs) {
  require(n_outputs >= 1, "EuclideanRBF", "there must be at least one code", n_outputs);
}

template <class T>
EuclideanRBF<T>::EuclideanRBF(Index n_inputs, std::vector<T> codes)
    : Module<T>(n_inputs, units_of(n_inputs, codes), 0), codes_(std::move(codes)) {}

template <class T>
std::vector<ParameterBlock> EuclideanRBF<T>::parameter_blocks() const {
  if (!codes_.empty()) return {};
  return centres("codes", this->n_inputs(), this->n_outputs());
}

template <class T>
template <class Body>
void EuclideanRBF<T>::for_pairs(Index n, const T* theta, Body&& body) const {
  const T* codes = this->codes(theta);
  for (Index row = 0; row < n; ++row)
    for (Index k = 0; k < this->n_outputs(); ++k) body(row, k, codes + k * this->n_inputs());
}

template <class T>
void EuclideanRBF<T>::forward(Index n, const T* theta, const T* x, T* y) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  for_pairs(n, theta, [&](Index row, Index k, const T* code) {
    T sum = 0;
    for (Index j = 0; j < i; ++j) sum += (x[row * i + j] - code[j]) * (x[row * i + j] - code[j]);
    y[row * o + k] = sum;
  });
}

template <class T>
void EuclideanRBF<T>::backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  if (gx) std::fill_n(gx, n * i, T(0));
  for_pairs(n, theta, [&](Index row, Index k, const T* code) {
    for (Index j = 0; j < i; ++j) {
      const T g = 2 * gy[row * o + k] * (x[row * i + j] - code[j]);
      if (gx) gx[row * i + j] += g;
      if (codes_.empty() && gtheta) gtheta[k * i + j] -= g;
    }
  });
}

template <class T>
void EuclideanRBF<T>::backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx,
                                         T* htheta) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  if (hx) std::fill_n(hx, n * i, T(0));
  for_pairs(n, theta, [&](Index row, Index k, const T* code) {
    for (Index j = 0; j < i; ++j) {
      const T difference = x[row * i + j] - code[j], h = 4 * hy[row * o + k] * difference * difference;
      if (hx) hx[row * i + j] += h;
      if (codes_.empty()) htheta[k * i + j] += h;
    }
  });
}

template <class T>
void EuclideanRBF<T>::forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                      T* dy) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  const T* dcodes = codes_.empty() ? dtheta : nullptr;
  for_pairs(n, theta, [&](Index row, Index k, const T* code) {
    T sum = 0;
    for (Index j = 0; j < i; ++j) {
      sum += 2 * (x[row * i + j] - code[j]) * (or_zero(dx, row * i + j) - or_zero(dcodes, k * i + j));
    }
    dy[row * o + k] = sum;
  });
}

template <class T>
void EuclideanRBF<T>::backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                       const T* gy, const T* dgy, T* dgx, T* dgtheta) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  const T* dcodes = codes_.empty() ? dtheta : nullptr;
  if (dgx) std::fill_n(dgx, n * i, T(0));
  for_pairs(n, theta, [&](Index row, Index k, const T* code) {
    for (Index j = 0; j < i; ++j) {
      const T difference = x[row * i + j] - code[j];
      const T ddifference = or_zero(dx, row * i + j) - or_zero(dcodes, k * i + j);
      const T dg = 2 * (dgy[row * o + k] * difference + gy[row * o + k] * ddifference);
      if (dgx) dgx[row * i + j] += dg;
      if (codes_.empty() && dgtheta) dgtheta[k * i + j] -= dg;
    }
  });
}

template <class T>
GaussianRBF<T>::GaussianRBF(Index n_inputs, Index n_outputs)
    : Module<T>(n_inputs, n_outputs, n_outputs * (n_inputs + 1)) {
  require(n_outputs >= 1, "GaussianRBF", "units must be at least 1", n_outputs);
}

template <class T>
std::vector<ParameterBlock> GaussianRBF<T>::parameter_blocks() const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  auto blocks = centres("centres", i, o);
  blocks.push_back(
      {"widths", o * i, {o}, std::vector<Index>(std::size_t(o), 1), blocks[0].fan_ins, 1, Role::kPlace});
  return blocks;
}

template <class T>
void GaussianRBF<T>::forward(Index n, const T* theta, const T* x, T* y) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  for (Index row = 0; row < n; ++row)
    for (Index k = 0; k < o; ++k)
      y[row * o + k] = Bump<T>(i, x + row * i, theta + k * i, theta[o * i + k]).value;
}

template <class T>
void GaussianRBF<T>::backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  if (gx) std::fill_n(gx, n * i, T(0));
  for (Index row = 0; row < n; ++row)
    for (Index k = 0; k < o; ++k) {
      const T *centre = theta + k * i, *input = x + row * i, width = theta[o * i + k], g = gy[row * o + k];
      const Bump<T> bump(i, input, centre, width);
      const T factor = g * bump.slope(width);
      for (Index j = 0; j < i; ++j) {
        if (gtheta) gtheta[k * i + j] += factor * (input[j] - centre[j]);
        if (gx) gx[row * i + j] -= factor * (input[j] - centre[j]);
      }
      if (gtheta) gtheta[o * i + k] += g * bump.by_width(width);
    }
}

template <class T>
void GaussianRBF<T>::backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx,
                                        T* htheta) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  if (hx) std::fill_n(hx, n * i, T(0));
  for (Index row = 0; row < n; ++row)
    for (Index k = 0; k < o; ++k) {
      const T *centre = theta + k * i, *input = x + row * i, width = theta[o * i + k], h = hy[row * o + k];
      const Bump<T> bump(i, input, centre, width);
      const T slope = bump.slope(width), by_width = bump.by_width(width);
      for (Index j = 0; j < i; ++j) {
        const T by_centre = slope * (input[j] - centre[j]);
        htheta[k * i + j] += h * by_centre * by_centre;
        if (hx) hx[row * i + j] += h * by_centre * by_centre;
      }
      htheta[o * i + k] += h * by_width * by_width;
    }
}

template <class T>
void GaussianRBF<T>::forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                     T* dy) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  for (Index row = 0; row < n; ++row)
    for (Index k = 0; k < o; ++k) {
      const T *centre = theta + k * i, *input = x + row * i, width = theta[o * i + k];
      const Bump<T> bump(i, input, centre, width);
      T approach = 0;  // half the tangent of the squared distance
      for (Index j = 0; j < i; ++j)
        approach += (input[j] - centre[j]) * (or_zero(dx, row * i + j) - or_zero(dtheta, k * i + j));
      dy[row * o + k] = -bump.slope(width) * approach + bump.by_width(width) * or_zero(dtheta, o * i + k);
    }
}

template <class T>
void GaussianRBF<T>::backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                      const T* gy, const T* dgy, T* dgx, T* dgtheta) const {
  const Index i = this->n_inputs(), o = this->n_outputs();
  if (dgx) std::fill_n(dgx, n * i, T(0));
  for (Index row = 0; row < n; ++row)
    for (Index k = 0; k < o; ++k) {
      const T *centre = theta + k * i, *input = x + row * i;
      const T s = theta[o * i + k], ds = or_zero(dtheta, o * i + k), g = gy[row * o + k],
              dg = dgy[row * o + k];
      const auto ddifference = [&](Index j) { return or_zero(dx, row * i + j) - or_zero(dtheta, k * i + j); };
      const Bump<T> bump(i, input, centre, s);
      if (bump.value == 0) continue;
      T dd = 0;  // tangent of the squared distance
      for (Index j = 0; j < i; ++j) dd += 2 * (input[j] - centre[j]) * ddifference(j);
      const T dphi = -bump.value / (2 * s * s) * dd + bump.by_width(s) * ds;
      const T slope = bump.slope(s), dslope = dphi / (s * s) - 2 * bump.value * ds / (s * s * s);
      for (Index j = 0; j < i; ++j) {
        const T difference = input[j] - centre[j];
        const T tangent = (dg * slope + g * dslope) * difference + g * slope * ddifference(j);
        if (dgtheta) dgtheta[k * i + j] += tangent;
        if (dgx) dgx[row * i + j] -= tangent;
      }
      const T dby_width =
          (dphi * bump.distance + bump.value * dd) / (s * s * s) - 3 * bump.by_width(s) * ds / s;
      if (dgtheta) dgtheta[o * i + k] += dg * bump.by_width(s) + g * dby_width;
    }
}

template class EuclideanRBF<float>;
template class EuclideanRBF<double>;
template class GaussianRBF<float>;
template class GaussianRBF<double>;

}  // namespace ebp

#include "ebp/nn/pool.h"

#include <algorithm>

namespace ebp {

namespace {

// Position of the largest value of a window of kSize x kSize (0: `size` x `size`) that begins at `corner`.
template <int kSize, class T>
inline Index winner_of(Index size, Index width, const T* x, Index corner) {
  if (kSize) size = kSize;
  Index winner = corner;
  T largest = x[corner];
  bool broken = false;
  for (Index a = 0; a < size; ++a)
    for (Index b = 0; b < size; ++b) {
      const Index input = corner + a * width + b;
      const bool wins = x[input] > largest;
      winner += Index(wins) * (input - winner);  // by arithmetic, as no branch could be foreseen
      largest = wins ? x[input] : largest;
      broken |= x[input] != x[input];
    }
  if (!broken) return winner;
  // NaN wins, so that it stays visible
  for (Index a = 0; a < size; ++a)
    for (Index b = 0; b < size; ++b)
      if (x[corner + a * width + b] != x[corner + a * width + b]) winner = corner + a * width + b;
  return winner;
}

}  // namespace

template <class T>
template <class Body>
void MaxPool2D<T>::for_winners(Index n, const T* x, Body&& body) const {
  const Index size = grid_.size, width = grid_.width, columns = grid_.out_width();
  const auto for_rows = [&]<int kSize>() {
    for (Index row = 0; row < n * grid_.maps * grid_.out_height(); ++row)
      for (Index c = 0; c < columns; ++c)
        body(row * columns + c, winner_of<kSize>(size, width, x, row * size * width + c * size));
  };
  if (size == 2)
    for_rows.template operator()<2>();
  else
    for_rows.template operator()<0>();
}

template <class T>
void MaxPool2D<T>::forward(Index n, const T*, const T* x, T* y) const {
  for_winners(n, x, [&](Index output, Index input) { y[output] = x[input]; });
}

template <class T>
void MaxPool2D<T>::backward(Index n, const T*, const T* x, const T* gy, T* gx, T*) const {
  if (!gx) return;
  std::fill_n(gx, n * this->n_inputs(), T(0));
  for_winners(n, x, [&](Index output, Index input) { gx[input] = gy[output]; });
}

template <class T>
void MaxPool2D<T>::backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx,
                                      T* htheta) const {
  backward(n, theta, x, hy, hx, htheta);  // derivatives are 0 or 1, which are their own squares
}

template <class T>
void MaxPool2D<T>::forward_tangent(Index n, const T*, const T*, const T* x, const T* dx, T* dy) const {
  for_winners(n, x, [&](Index output, Index input) { dy[output] = dx[input]; });
}

template <class T>
void MaxPool2D<T>::backward_tangent(Index n, const T* theta, const T*, const T* x, const T*, const T*,
                                    const T* dgy, T* dgx, T* dgtheta) const {
  backward(n, theta, x, dgy, dgx, dgtheta);
}

template class MaxPool2D<float>;
template class MaxPool2D<double>;

}  // namespace ebp

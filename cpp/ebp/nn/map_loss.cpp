#include "ebp/nn/map_loss.h"

#include <algorithm>
#include <cmath>

#include "ebp/nn/rbf.h"

namespace ebp {

template <class T>
T MapLoss<T>::log_sum(Index k, const T* o) const {
  const T nearest = std::min(j_, *std::min_element(o, o + k));
  T sum = std::exp(nearest - j_);
  for (Index i = 0; i < k; ++i) sum += std::exp(nearest - o[i]);  // of all k, so that NaN stays visible
  return std::log(sum) - nearest;
}

template <class T>
T MapLoss<T>::value(Index k, const T* o, const T* t) const {
  T loss = log_sum(k, o);
  for (Index i = 0; i < k; ++i) loss += t[i] * o[i];
  return loss;
}

template <class T>
T MapLoss<T>::gradient(Index k, const T* o, const T* t, T* g) const {
  const T log_total = log_sum(k, o);
  T loss = log_total;
  for (Index i = 0; i < k; ++i) {
    g[i] = t[i] - std::exp(-o[i] - log_total);
    loss += t[i] * o[i];
  }
  return loss;
}

template <class T>
void MapLoss<T>::curvature(Index k, const T* o, const T*, T* h) const {
  const T log_total = log_sum(k, o);
  for (Index i = 0; i < k; ++i) {
    const T p = std::exp(-o[i] - log_total);
    h[i] = p * (1 - p);
  }
}

template <class T>
void MapLoss<T>::curvature_product(Index k, const T* o, const T*, const T* v, T* hv) const {
  const T log_total = log_sum(k, o);
  T mean = 0;
  for (Index i = 0; i < k; ++i) {
    hv[i] = std::exp(-o[i] - log_total);
    mean += hv[i] * v[i];
  }
  for (Index i = 0; i < k; ++i) hv[i] *= v[i] - mean;
}

template <class T>
void MapLoss<T>::curvature_factor(Index k, const T* o, const T*, T* f) const {
  const T log_total = log_sum(k, o), c = 1 / (1 + std::exp((-j_ - log_total) / 2));
  for (Index i = 0; i < k; ++i) {
    const T root = std::exp((-o[i] - log_total) / 2);
    for (Index j = 0; j < k; ++j) f[i * k + j] = root * (T(i == j) - c * std::exp(-o[j] - log_total));
  }
}

template <class T>
bool MapLoss<T>::seeds_below(const Module<T>& last) const {
  return dynamic_cast<const EuclideanRBF<T>*>(&last) != nullptr;
}

template <class T>
void MapLoss<T>::curvature_below(const Module<T>& last, const T* theta, const T* x, const T* o, const T*,
                                 T* hx) const {
  const Index n = last.n_inputs(), k = last.n_outputs();
  std::fill_n(hx, n, T(2));
  if (!exact_) return;
  const T* codes = static_cast<const EuclideanRBF<T>&>(last).codes(theta);
  const T log_total = log_sum(k, o), rubbish = std::exp(-j_ - log_total);
  for (Index j = 0; j < n; ++j) {
    T mean = 0, square = 0;
    for (Index i = 0; i < k; ++i) {
      const T p = std::exp(-o[i] - log_total), u = x[j] - codes[i * n + j];
      mean += p * u;
      square += p * u * u;
    }
    hx[j] = 4 * std::max(square - mean * mean, T(0)) + 2 * rubbish;
  }
}

template class MapLoss<float>;
template class MapLoss<double>;

}  // namespace ebp

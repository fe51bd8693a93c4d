#include "ebp/nn/loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ebp/base/simd.h"
#include "ebp/nn/map_loss.h"

namespace ebp {
namespace {

// E = 1/2 sum (d - o)^2
template <class T>
class SquaredError final : public Loss<T> {
 public:
  const char* name() const override { return "squared_error"; }

  T value(Index k, const T* o, const T* t) const override {
    T sum = 0;
    for (Index i = 0; i < k; ++i) sum += (o[i] - t[i]) * (o[i] - t[i]);
    return sum / 2;
  }

  T gradient(Index k, const T* o, const T* t, T* g) const override {
    simd::Pack<T> squares{};
    simd::for_lanes<T>(k, [&](Index i, auto lanes) {
      const simd::Pack<T> error = lanes.load(o + i) - lanes.load(t + i);
      simd::store(g + i, error);
      squares += error * error;
    });
    return simd::sum<T>(squares) / 2;
  }

  void curvature(Index k, const T*, const T*, T* h) const override { std::fill_n(h, k, T(1)); }

  void curvature_product(Index k, const T*, const T*, const T* v, T* hv) const override {
    std::copy_n(v, k, hv);
  }
};

// E = -sum_i t_i log p_i, p = softmax(o); with the sum of the targets s: g = s p - t, H = s (diag p - p p').
template <class T>
class CrossEntropy final : public Loss<T> {
 public:
  const char* name() const override { return "cross_entropy"; }

  T value(Index k, const T* o, const T* t) const override {
    const T normaliser = log_sum_exp(k, o);
    T loss = 0;
    for (Index i = 0; i < k; ++i)
      if (t[i] != 0) loss += t[i] * (normaliser - o[i]);
    return loss;
  }

  T gradient(Index k, const T* o, const T* t, T* g) const override {
    const T s = softmax(k, o, t, g);
    for (Index i = 0; i < k; ++i) g[i] = s * g[i] - t[i];
    return value(k, o, t);
  }

  void curvature(Index k, const T* o, const T* t, T* h) const override {
    const T s = softmax(k, o, t, h);
    for (Index i = 0; i < k; ++i) h[i] = s * h[i] * (1 - h[i]);
  }

  void curvature_product(Index k, const T* o, const T* t, const T* v, T* hv) const override {
    const T s = softmax(k, o, t, hv);
    T mean = 0;
    for (Index i = 0; i < k; ++i) mean += hv[i] * v[i];
    for (Index i = 0; i < k; ++i) hv[i] *= s * (v[i] - mean);
  }

  // (s p_i)^1/2 (delta_ij - p_j)
  void curvature_factor(Index k, const T* o, const T* t, T* f) const override {
    std::vector<T> p(static_cast<std::size_t>(k));
    const T s = softmax(k, o, t, p.data());
    for (Index i = 0; i < k; ++i)
      for (Index j = 0; j < k; ++j)
        f[i * k + j] = std::sqrt(s * p[std::size_t(i)]) * (T(i == j) - p[std::size_t(j)]);
  }

 private:
  static T log_sum_exp(Index k, const T* o) {
    const T largest = *std::max_element(o, o + k);
    T sum = 0;
    for (Index i = 0; i < k; ++i) sum += std::exp(o[i] - largest);
    return largest + std::log(sum);
  }

  // p (k) = softmax(o); returns the sum of the targets.
  static T softmax(Index k, const T* o, const T* t, T* p) {
    const T normaliser = log_sum_exp(k, o);
    T s = 0;
    for (Index i = 0; i < k; ++i) {
      p[i] = std::exp(o[i] - normaliser);
      s += t[i];
    }
    return s;
  }
};

// E = sum_i log(1 + exp(o_i)) - t_i o_i, p = logistic(o): g = p - t, H = diag p (1 - p).
template <class T>
class BinaryCrossEntropy final : public Loss<T> {
 public:
  const char* name() const override { return "binary_cross_entropy"; }

  T value(Index k, const T* o, const T* t) const override {
    T loss = 0;
    for (Index i = 0; i < k; ++i)
      loss += std::max(o[i], T(0)) + std::log1p(std::exp(-std::abs(o[i]))) - t[i] * o[i];
    return loss;
  }

  T gradient(Index k, const T* o, const T* t, T* g) const override {
    for (Index i = 0; i < k; ++i) g[i] = probability(o[i]) - t[i];
    return value(k, o, t);
  }

  void curvature(Index k, const T* o, const T*, T* h) const override {
    for (Index i = 0; i < k; ++i) h[i] = probability(o[i]) * probability(-o[i]);
  }

  void curvature_product(Index k, const T* o, const T* t, const T* v, T* hv) const override {
    curvature(k, o, t, hv);
    for (Index i = 0; i < k; ++i) hv[i] *= v[i];
  }

 private:
  static T probability(T o) {
    const T e = std::exp(-std::abs(o));
    return (o < 0 ? e : T(1)) / (1 + e);
  }
};

// A loss that is a sum over outputs of E(o, t), with E' and E''. In these formulas NaN passes through.
template <class T, class Term>
class SumOverOutputs final : public Loss<T> {
 public:
  explicit SumOverOutputs(Term term = {}) : term_(term) {}

  const char* name() const override { return Term::kName; }

  T value(Index k, const T* o, const T* t) const override {
    T loss = 0;
    for (Index i = 0; i < k; ++i) loss += term_.value(o[i], t[i]);
    return loss;
  }

  T gradient(Index k, const T* o, const T* t, T* g) const override {
    for (Index i = 0; i < k; ++i) g[i] = term_.slope(o[i], t[i]);
    return value(k, o, t);
  }

  void curvature(Index k, const T* o, const T* t, T* h) const override {
    for (Index i = 0; i < k; ++i) h[i] = term_.bend(o[i], t[i]);
  }

  void curvature_product(Index k, const T* o, const T* t, const T* v, T* hv) const override {
    for (Index i = 0; i < k; ++i) hv[i] = term_.bend(o[i], t[i]) * v[i];
  }

 private:
  Term term_;
};

// The sign of x, 0 at 0.
template <class T>
T sign(T x) {
  return x == 0 ? T(0) : x / std::abs(x);
}

// |o - t|
template <class T>
struct AbsoluteError {
  static constexpr const char* kName = "absolute_error";
  static T value(T o, T t) { return std::abs(o - t); }
  static T slope(T o, T t) { return sign(o - t); }
  static T bend(T, T) { return 0; }
};

// 1/2 (o - t)^2 up to |o - t| = delta, and delta (|o - t| - delta / 2) beyond
template <class T>
struct Huber {
  static constexpr const char* kName = "huber";
  T delta = 1;
  bool beyond(T error) const { return std::abs(error) > delta; }
  T value(T o, T t) const {
    return beyond(o - t) ? delta * (std::abs(o - t) - delta / 2) : (o - t) * (o - t) / 2;
  }
  T slope(T o, T t) const { return beyond(o - t) ? delta * sign(o - t) : o - t; }
  T bend(T o, T t) const { return beyond(o - t) ? T(0) : T(1); }
};

// max(0, 1 - t o) for targets -1 and 1
template <class T>
struct Hinge {
  static constexpr const char* kName = "hinge";
  static T value(T o, T t) { return 1 - t * o < 0 ? T(0) : 1 - t * o; }
  static T slope(T o, T t) { return 1 - t * o <= 0 ? T(0) : -t + 0 * o; }
  static T bend(T, T) { return 0; }
};

}  // namespace

template <class T>
void Loss<T>::curvature_factor(Index k, const T* o, const T* t, T* f) const {
  std::fill_n(f, k * k, T(0));
  curvature(k, o, t, f);
  for (Index i = k; i-- > 0;) {  // from the end, as the diagonal is spread over where it came from
    const T h = f[i];
    f[i] = 0;
    f[i * k + i] = std::sqrt(h);
  }
}

template <class T>
std::unique_ptr<Loss<T>> make_loss(const std::string& name, const LossOptions& options) {
  if (name == "squared_error") return std::make_unique<SquaredError<T>>();
  if (name == "cross_entropy") return std::make_unique<CrossEntropy<T>>();
  if (name == "binary_cross_entropy") return std::make_unique<BinaryCrossEntropy<T>>();
  if (name == "absolute_error") return std::make_unique<SumOverOutputs<T, AbsoluteError<T>>>();
  if (name == "huber") return std::make_unique<SumOverOutputs<T, Huber<T>>>(Huber<T>{T(options.delta)});
  if (name == "hinge") return std::make_unique<SumOverOutputs<T, Hinge<T>>>();
  if (name == "map") return std::make_unique<MapLoss<T>>(options);
  require(false, "Network",
          "loss must be one of squared_error, cross_entropy, binary_cross_entropy, absolute_error, huber, "
          "hinge, map",
          name);
  return nullptr;
}

template class Loss<float>;
template class Loss<double>;
template std::unique_ptr<Loss<float>> make_loss(const std::string&, const LossOptions&);
template std::unique_ptr<Loss<double>> make_loss(const std::string&, const LossOptions&);

}  // namespace ebp

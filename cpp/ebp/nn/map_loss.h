// The criterion of LeNet-5: maximum a posteriori with a rubbish class, over squared distances to codes.
#pragma once

#include "ebp/nn/loss.h"

namespace ebp {

// E = sum_i t_i y_i + log(exp(-j) + sum_i exp(-y_i)), where y are distances and t is 1 at the right class and
// 0 elsewhere; p_i = exp(-y_i) / (exp(-j) + sum exp(-y)) are posteriors, and what they lack to 1 is that of
// the rubbish class. dE/dy = t - p, d2E/dy2 = diag(p) - p p'.
//
// E is nearly linear in y, so that the diagonal p (1 - p) passed down by (58) loses what bends: the square
// inside a EuclideanRBF below. Its inputs therefore get their curvature from the two together, u = x - w:
//   d2E/dx2 = 4 [sum_i p_i u_i^2 - (sum_i p_i u_i)^2] + 2 p_rubbish >= 0,
// or the constant 2, which it is where the rubbish class takes all.
template <class T>
class MapLoss final : public Loss<T> {
 public:
  explicit MapLoss(const LossOptions& options) : j_(T(options.j)), exact_(options.exact_curvature) {}

  const char* name() const override { return "map"; }
  T value(Index k, const T* o, const T* t) const override;
  T gradient(Index k, const T* o, const T* t, T* g) const override;
  void curvature(Index k, const T* o, const T* t, T* h) const override;
  void curvature_product(Index k, const T* o, const T* t, const T* v, T* hv) const override;
  // p_i^1/2 (delta_ij - c p_j) with c = 1 / (1 + p_rubbish^1/2)
  void curvature_factor(Index k, const T* o, const T* t, T* f) const override;
  bool seeds_below(const Module<T>& last) const override;
  void curvature_below(const Module<T>& last, const T* theta, const T* x, const T* o, const T* t,
                       T* hx) const override;

 private:
  // log(exp(-j) + sum_i exp(-y_i))
  T log_sum(Index k, const T* o) const;

  T j_;
  bool exact_;
};

}  // namespace ebp

#include "ebp/optimize/conjugate_gradient.h"

#include <cmath>

namespace ebp::optimize {

bool ConjugateGradientDirection::compute(Objective&, const Point& point, Vector& d, Counts&) {
  const Vector& g = point.gradient;
  d = -g;
  if (g_.size() == 0) return true;
  const double squared = g_.squaredNorm(), overlap = g.dot(g_);
  double beta = g.squaredNorm() / squared;  // (42)
  if (beta_ == Beta::kPolakRibiere) {
    beta = (g.squaredNorm() - overlap) / squared;  // (43)
    if (beta < 0) beta = 0;
  } else if (std::abs(overlap) > 0.2 * g.squaredNorm()) {
    beta = 0;
  }
  d += beta * d_;
  return true;
}

double ConjugateGradientDirection::initial_step(const Point& point, const Vector& d) {
  // The first-order change of the last step is a good guess of the next.
  if (last_product_ == 0) return cautious_step(d);
  return last_product_ / point.gradient.dot(d);
}

void ConjugateGradientDirection::accept(const Point& before, const Point&, const Vector& d, double step) {
  d_ = d;
  g_ = before.gradient;
  last_product_ = step * before.gradient.dot(d);
}

bool ConjugateGradientDirection::restart() {
  const bool something = g_.size() > 0;
  g_.resize(0);
  d_.resize(0);
  last_product_ = 0;
  return something;
}

}  // namespace ebp::optimize

#include "ebp/optimize/bfgs.h"

namespace ebp::optimize {

BfgsDirection::BfgsDirection(Index n, bool initial_scaling)
    : initial_scaling_(initial_scaling), m_(Matrix::Identity(n, n)), m_phi_(n) {}

bool BfgsDirection::compute(Objective&, const Point& point, Vector& d, Counts&) {
  d.noalias() = -(m_ * point.gradient);
  return true;
}

double BfgsDirection::initial_step(const Point&, const Vector& d) { return fresh_ ? cautious_step(d) : 1; }

void BfgsDirection::accept(const Point& before, const Point& after, const Vector&, double) {
  const Vector phi = after.gradient - before.gradient, delta = after.x - before.x;
  const double product = delta.dot(phi);
  if (!(product > 0)) return;
  if (fresh_ && initial_scaling_) m_.diagonal().setConstant(product / phi.squaredNorm());
  fresh_ = false;
  m_phi_.noalias() = m_ * phi;
  const double factor = (1 + phi.dot(m_phi_) / product) / product;
  m_.noalias() += factor * delta * delta.transpose();
  m_.noalias() -= (delta / product) * m_phi_.transpose();
  m_.noalias() -= (m_phi_ / product) * delta.transpose();
  m_ = (0.5 * (m_ + m_.transpose())).eval();
}

bool BfgsDirection::restart() {
  if (fresh_) return false;
  fresh_ = true;
  m_.setIdentity();
  return true;
}

}  // namespace ebp::optimize

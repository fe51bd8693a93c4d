#include "ebp/optimize/newton.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <limits>

namespace ebp::optimize {
namespace {

// Pivots below this share of their diagonal elements count as not positive.
constexpr double kSmallestPivot = 1e-14;
// Eigenvalues below this share of the largest are raised to it.
constexpr double kSmallestEigenvalue = 1e-8;

}  // namespace

bool NewtonDirection::compute(Objective& objective, const Point& point, Vector& d, Counts& counts) {
  const Index n = objective.size();
  h_.resize(n, n);
  objective.hessian(point.x, h_);
  ++counts.hessians;
  if (!h_.allFinite()) {
    d.setConstant(std::numeric_limits<double>::quiet_NaN());
    return false;
  }
  const Eigen::LLT<Matrix> llt(h_);
  if (llt.info() == Eigen::Success) {
    const auto pivots = llt.matrixLLT().diagonal().array().square() / h_.diagonal().array();
    if (pivots.minCoeff() > kSmallestPivot) {
      d = -llt.solve(point.gradient);
      return true;
    }
  }
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> eigen(h_);
  const Vector size = eigen.eigenvalues().cwiseAbs();
  const double floor = kSmallestEigenvalue * size.maxCoeff();
  if (eigen.info() != Eigen::Success || !(floor > 0)) return false;
  const Vector along = eigen.eigenvectors().transpose() * point.gradient;
  d = -(eigen.eigenvectors() * along.cwiseQuotient(size.cwiseMax(floor)));
  return true;
}

bool NewtonCgDirection::compute(Objective& objective, const Point& point, Vector& d, Counts& counts) {
  const double g_norm = point.gradient.norm();
  const double tolerance = std::min(0.5, std::sqrt(g_norm)) * g_norm;
  Vector residual = point.gradient, p = -residual, hp(residual.size());
  double rho = residual.squaredNorm();
  d.setZero();
  for (Index k = 0; k < 2 * objective.size(); ++k) {
    objective.hessian_product(point.x, p, hp);
    ++counts.hessians;
    const double curvature = p.dot(hp);
    if (!std::isfinite(curvature)) {
      d.setConstant(curvature);
      return false;
    }
    if (curvature <= 1e-16 * p.norm() * hp.norm()) {
      if (k == 0) d = p;
      return true;
    }
    const double alpha = rho / curvature;
    d += alpha * p;
    residual += alpha * hp;
    const double rho_new = residual.squaredNorm();
    if (std::sqrt(rho_new) <= tolerance) break;
    p = -residual + (rho_new / rho) * p;
    rho = rho_new;
  }
  return true;
}

}  // namespace ebp::optimize

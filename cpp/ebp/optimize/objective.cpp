#include "ebp/optimize/objective.h"

namespace ebp::optimize {

void Objective::hessian(const Vector&, Matrix&) {
  throw std::logic_error("[minimize] this objective has no dense Hessian");
}

void Objective::hessian_product(const Vector& x, const Vector& v, Vector& product) {
  Matrix h(size(), size());
  hessian(x, h);
  product.noalias() = h.selfadjointView<Eigen::Lower>() * v;
}

void LeastSquares::jacobian(const Vector&, Matrix&) {
  throw std::logic_error("[least_squares] this problem has no dense Jacobian");
}

void LeastSquares::linearize(const Vector& x) {
  jacobian_.resize(n_residuals(), n_parameters());
  jacobian(x, jacobian_);
}

void LeastSquares::product(const Vector& v, Vector& jv) { jv.noalias() = jacobian_ * v; }

void LeastSquares::transposed_product(const Vector& u, Vector& jtu) {
  jtu.noalias() = jacobian_.transpose() * u;
}

double LeastSquares::squared_product(const Vector& v) {
  Vector jv(n_residuals());
  product(v, jv);
  return jv.squaredNorm();
}

void LeastSquares::normal_matrix(Matrix& normal) {
  normal.setZero();
  normal.selfadjointView<Eigen::Lower>().rankUpdate(jacobian_.transpose());
}

void LeastSquares::column_norms(Vector& norms) { norms = jacobian_.colwise().stableNorm().transpose(); }

}  // namespace ebp::optimize

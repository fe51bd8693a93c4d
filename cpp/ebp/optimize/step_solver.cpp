#include "ebp/optimize/step_solver.h"

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <Eigen/QR>
#include <algorithm>
#include <cmath>

namespace ebp::optimize {
namespace {

// The factorisations work on columns.
using Columns = Eigen::MatrixXd;

// Columns of the scaled Jacobian that are linear combinations of others up to this share count as such.
constexpr double kSmallestPivot = 1e-8;

class QrSolver : public StepSolver {
 public:
  void prepare(LeastSquares& problem, const Vector& r, const Vector&, const Vector& scale) override {
    scale_ = scale;
    const Columns scaled = problem.linearized() * scale.cwiseInverse().asDiagonal();
    const Eigen::HouseholderQR<Columns> qr(scaled);
    const Index rank = std::min(scaled.rows(), scaled.cols());
    r_ = qr.matrixQR().topRows(rank).triangularView<Eigen::Upper>();
    right_ = -(qr.householderQ().transpose() * r).head(rank);
  }

  bool solve(double mu, Vector& step) override {
    const Index rank = r_.rows(), n = r_.cols();
    if (mu == 0) {
      Eigen::CompleteOrthogonalDecomposition<Columns> orthogonal;
      orthogonal.setThreshold(kSmallestPivot);
      orthogonal.compute(r_);
      step = orthogonal.solve(right_);
    } else {
      Columns stacked(rank + n, n);
      stacked.topRows(rank) = r_;
      stacked.bottomRows(n) = std::sqrt(mu) * Columns::Identity(n, n);
      Vector right = Vector::Zero(rank + n);
      right.head(rank) = right_;
      step = stacked.householderQr().solve(right);
    }
    step = step.cwiseQuotient(scale_);
    return step.allFinite();
  }

 private:
  Columns r_;     // R of J D^-1 (min(m, n), n)
  Vector right_;  // -Q'r (min(m, n))
  Vector scale_;
};

class CholeskySolver : public StepSolver {
 public:
  explicit CholeskySolver(const StepSolverOptions& options) : options_(options) {}

  void prepare(LeastSquares& problem, const Vector&, const Vector& gradient, const Vector& scale) override {
    const Index n = scale.size();
    scale_ = scale;
    normal_.resize(n, n);
    problem.normal_matrix(normal_);
    const Vector inverse = scale.cwiseInverse();
    normal_ = inverse.asDiagonal() * normal_ * inverse.asDiagonal();
    right_ = -gradient.cwiseProduct(inverse);
  }

  bool solve(double mu, Vector& step) override {
    Matrix damped = normal_;
    damped.diagonal().array() += mu;
    const Eigen::LLT<Eigen::Ref<Matrix>> llt(damped);  // in place
    const auto pivots = [&] { return damped.diagonal().array().square() / normal_.diagonal().array(); };
    if (mu == 0 && !(llt.info() == Eigen::Success && pivots().minCoeff() > options_.smallest_eigenvalue))
      return solve_short_of_rank(step);
    if (llt.info() != Eigen::Success) return false;
    step = llt.solve(right_).cwiseQuotient(scale_);
    return step.allFinite();
  }

 private:
  bool solve_short_of_rank(Vector& step) {
    const Eigen::SelfAdjointEigenSolver<Columns> eigen(normal_);
    const double smallest = options_.smallest_eigenvalue * eigen.eigenvalues().maxCoeff();
    if (eigen.info() != Eigen::Success || !(smallest > 0)) return false;
    Vector along = eigen.eigenvectors().transpose() * right_;
    for (Index k = 0; k < along.size(); ++k)
      along[k] = eigen.eigenvalues()[k] > smallest ? along[k] / eigen.eigenvalues()[k] : 0.0;
    step = (eigen.eigenvectors() * along).cwiseQuotient(scale_);
    return step.allFinite();
  }

  StepSolverOptions options_;
  Matrix normal_;  // D^-1 J'J D^-1 (n, n), lower triangle
  Vector right_, scale_;
};

class ConjugateGradientSolver : public StepSolver {
 public:
  explicit ConjugateGradientSolver(const StepSolverOptions& options) : options_(options) {}

  void prepare(LeastSquares& problem, const Vector& r, const Vector& gradient, const Vector& scale) override {
    problem_ = &problem;
    r_ = r;
    gradient_ = gradient;
    scale_ = scale;
  }

  bool solve(double mu, Vector& step) override {
    const Index n = scale_.size();
    Vector z = Vector::Zero(n), left(n), jp(r_.size()), residual = -r_;
    const auto normal_residual = [&](Vector& s) {  // D^-1 J' residual - mu z
      problem_->transposed_product(residual, left);
      s = left.cwiseQuotient(scale_) - mu * z;
    };
    Vector s = -gradient_.cwiseQuotient(scale_);
    Vector p = s;
    double gamma = s.squaredNorm();
    const double enough = options_.tolerance * options_.tolerance * gamma;
    const Index limit = options_.max_iterations > 0 ? options_.max_iterations : 2 * n;
    for (Index k = 0; k < limit && gamma > enough; ++k) {
      problem_->product(p.cwiseQuotient(scale_), jp);
      const double curvature = jp.squaredNorm() + mu * p.squaredNorm();
      if (!(curvature > 0)) break;
      const double alpha = gamma / curvature;
      z += alpha * p;
      residual -= alpha * jp;
      normal_residual(s);
      const double next = s.squaredNorm();
      p = s + (next / gamma) * p;
      gamma = next;
    }
    step = z.cwiseQuotient(scale_);
    return step.allFinite();
  }

 private:
  StepSolverOptions options_;
  LeastSquares* problem_ = nullptr;
  Vector r_, gradient_, scale_;
};

}  // namespace

std::unique_ptr<StepSolver> make_step_solver(const StepSolverOptions& options) {
  switch (options.solver) {
    case LinearSolver::kQr:
      return std::make_unique<QrSolver>();
    case LinearSolver::kCholesky:
      return std::make_unique<CholeskySolver>(options);
    case LinearSolver::kConjugateGradient:
      break;
  }
  return std::make_unique<ConjugateGradientSolver>(options);
}

}  // namespace ebp::optimize

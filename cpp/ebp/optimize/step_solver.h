// The linear systems of Gauss-Newton (46) and Levenberg-Marquardt (47).
#pragma once

#include <memory>

#include "ebp/optimize/objective.h"

namespace ebp::optimize {

// Finds the step s (n) that minimises |J s + r|^2 + mu |D s|^2, that is (J'J + mu D^2) s = -J'r. D (n) holds
// positive scales; the systems are solved for D s, so that their condition does not depend on the units of
// the parameters.
class StepSolver {
 public:
  virtual ~StepSolver() = default;
  // Takes up the Jacobian at the point that `problem` was last linearised at, with r (m) and J'r (n) there.
  virtual void prepare(LeastSquares& problem, const Vector& r, const Vector& gradient,
                       const Vector& scale) = 0;
  // As often as wanted after prepare(). False if the system is singular or its solution is not finite.
  virtual bool solve(double mu, Vector& step) = 0;
};

enum class LinearSolver { kQr, kCholesky, kConjugateGradient };

// - kQr: orthogonal factorisation of J, once, and of [R; sqrt(mu) D] for each mu. More work than Cholesky,
// and
//   the error grows with the condition of J, not with its square. With mu = 0 and a Jacobian short of rank,
//   the solution of least |D s|.
// - kCholesky: of J'J + mu D^2. With mu = 0 and a matrix that is singular but for rounding, the solution of
//   least |D s|, by eigenvalues.
// - kConjugateGradient: with products J v and J'u alone (CGLS, Bjorck 1996), up to a residual of
//   tolerance |J'r|, or at most max_iterations products.
struct StepSolverOptions {
  LinearSolver solver = LinearSolver::kQr;
  // |residual of the scaled system| <= tolerance |D^-1 J'r|, conjugate gradient only
  double tolerance = 1e-3;
  // 0 stands for 2 n
  Index max_iterations = 0;
  // with mu = 0, eigenvalues of the scaled J'J that are no larger than this share of the largest count as 0,
  // Cholesky only
  double smallest_eigenvalue = 1e-14;
};

std::unique_ptr<StepSolver> make_step_solver(const StepSolverOptions& options);

}  // namespace ebp::optimize

// What is minimised: an abstract function, and an abstract sum of squares. Section 6.
//
// n counts parameters, m residuals. Outputs are overwritten and have their size already; they never alias
// inputs. Every function may throw, and what it throws reaches the caller of the optimiser.
#pragma once

#include <Eigen/Core>
#include <cmath>

#include "ebp/base/types.h"

namespace ebp::optimize {

using Vector = Eigen::VectorXd;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

// A function E of n parameters with its derivatives. Values that are not finite are allowed away from the
// start: a step that meets them is shortened.
class Objective {
 public:
  virtual ~Objective() = default;
  virtual Index size() const = 0;  // n
  // E(x), and its gradient (n)
  virtual double evaluate(const Vector& x, Vector& gradient) = 0;
  // Whether hessian() is there. Without it Newton's method uses products only.
  virtual bool has_hessian() const { return false; }
  // H (n, n), symmetric; only the lower triangle is read
  virtual void hessian(const Vector& x, Matrix& h);
  // H v (n); unless overridden, from hessian()
  virtual void hessian_product(const Vector& x, const Vector& v, Vector& product);
  // Values near `value` that differ by no more than this count as equal.
  virtual double rounding(double value) const { return 1e-14 * std::abs(value); }
};

// Residuals r(x) (m) and their Jacobian J(x) (m, n); what is minimised is |r|^2 / 2.
class LeastSquares {
 public:
  virtual ~LeastSquares() = default;
  virtual Index n_parameters() const = 0;
  virtual Index n_residuals() const = 0;
  virtual void residuals(const Vector& x, Vector& r) = 0;
  // for what follows, where that is not overridden, and for the QR solver
  virtual void jacobian(const Vector& x, Matrix& j);

  // The products at the point last given to linearize(); unless overridden, from the dense Jacobian.
  virtual void linearize(const Vector& x);
  virtual void product(const Vector& v, Vector& jv);              // J v (m)
  virtual void transposed_product(const Vector& u, Vector& jtu);  // J' u (n)
  // J'r (n) for the residuals r (m) at that point; from transposed_product() unless overridden
  virtual void gradient(const Vector& r, Vector& g) { transposed_product(r, g); }
  // |J v|^2, from product() unless overridden
  virtual double squared_product(const Vector& v);
  // J'J (n, n), the lower triangle at least, for the Cholesky solver; unless overridden, from the dense
  // Jacobian
  virtual void normal_matrix(Matrix& normal);
  // |J_i| (n), the lengths of the columns, which scale the parameters
  virtual void column_norms(Vector& norms);
  // J (m, n) at that point; empty where J'J or products are all that is to be had
  const Matrix& linearized() const { return jacobian_; }

 protected:
  Matrix jacobian_;
};

}  // namespace ebp::optimize

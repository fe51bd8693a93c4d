// Newton's method, (40) with the sign corrected: w <- w - a H^-1 grad E.
#pragma once

#include "ebp/optimize/descent.h"

namespace ebp::optimize {

// With the dense Hessian. Where its Cholesky factorisation fails, H is not positive definite: then its
// eigenvalues are replaced by their absolute values, those below 1e-8 of the largest by that, so that the
// step leads away from saddle points and maxima (Nocedal and Wright 2006, section 3.4). Adding a multiple of
// the identity instead took many more steps where H is nearly singular.
class NewtonDirection : public Direction {
 public:
  bool compute(Objective& objective, const Point& point, Vector& d, Counts& counts) override;
  double initial_step(const Point&, const Vector&) override { return 1; }
  void accept(const Point&, const Point&, const Vector&, double) override {}
  bool restart() override { return false; }

 private:
  Matrix h_;
};

// With products H v alone: conjugate gradient on H d = -g, cut off when the residual falls below
// min(1/2, |g|^1/2) |g| or at a direction of negative curvature, of which the first is used itself (Nocedal
// and Wright 2006, algorithm 7.1).
class NewtonCgDirection : public Direction {
 public:
  bool compute(Objective& objective, const Point& point, Vector& d, Counts& counts) override;
  double initial_step(const Point&, const Vector&) override { return 1; }
  void accept(const Point&, const Point&, const Vector&, double) override {}
  bool restart() override { return false; }
};

}  // namespace ebp::optimize

// Nonlinear conjugate gradient, (41)-(43).
#pragma once

#include "ebp/optimize/descent.h"

namespace ebp::optimize {

enum class Beta { kPolakRibiere, kFletcherReeves };

// rho_k = -g_k + beta_k rho_k-1, (41). Begins again with -g_k
//  - where the direction would not be one of descent (the loop asks for it),
//  - Polak-Ribiere: where beta of (43) is negative,
//  - Fletcher-Reeves: where successive gradients are far from orthogonal, |g_k'g_k-1| > 0.2 |g_k|^2 (Powell
//    1977), since (42) would otherwise repeat short steps without end.
class ConjugateGradientDirection : public Direction {
 public:
  explicit ConjugateGradientDirection(Beta beta) : beta_(beta) {}
  bool compute(Objective& objective, const Point& point, Vector& d, Counts& counts) override;
  double initial_step(const Point& point, const Vector& d) override;
  void accept(const Point& before, const Point& after, const Vector& d, double step) override;
  bool restart() override;

 private:
  Beta beta_;
  Vector d_, g_;             // of the last step; empty before the first and after a restart
  double last_product_ = 0;  // step g'd of the last step
};

}  // namespace ebp::optimize

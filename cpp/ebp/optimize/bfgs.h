// Quasi-Newton with the full inverse Hessian, (44)-(45).
#pragma once

#include "ebp/optimize/descent.h"

namespace ebp::optimize {

// d = -M g, where M (n, n) estimates H^-1. With phi = g after - g before and delta = x after - x before,
// (45), M <- M + (1 + phi'M phi / delta'phi) delta delta' / delta'phi
//        - (delta phi'M + M phi delta') / delta'phi, (44) with its missing "+".
// An update with delta'phi <= 0 is skipped: it would cost M its positive definiteness. M starts as I.
class BfgsDirection : public Direction {
 public:
  // With initial_scaling, M becomes (delta'phi / phi'phi) I before its first update.
  BfgsDirection(Index n, bool initial_scaling);
  bool compute(Objective& objective, const Point& point, Vector& d, Counts& counts) override;
  double initial_step(const Point& point, const Vector& d) override;
  void accept(const Point& before, const Point& after, const Vector& d, double step) override;
  bool restart() override;

  const Matrix& inverse_hessian() const { return m_; }

 private:
  bool initial_scaling_, fresh_ = true;
  Matrix m_;
  Vector m_phi_;
};

}  // namespace ebp::optimize

// Quasi-Newton with limited memory.
#pragma once

#include <deque>

#include "ebp/optimize/descent.h"

namespace ebp::optimize {

// d = -M g as in BFGS, with M given by the last `memory` pairs (delta, phi) of (45) and never formed: the
// two-loop recursion (Nocedal 1980). M starts from (delta'phi / phi'phi) I of the latest pair. Pairs with
// delta'phi <= 0 are skipped.
class LbfgsDirection : public Direction {
 public:
  explicit LbfgsDirection(Index memory) : memory_(memory) {}
  bool compute(Objective& objective, const Point& point, Vector& d, Counts& counts) override;
  double initial_step(const Point& point, const Vector& d) override;
  void accept(const Point& before, const Point& after, const Vector& d, double step) override;
  bool restart() override;

 private:
  struct Pair {
    Vector delta, phi;
    double product;  // delta'phi
  };
  Index memory_;
  std::deque<Pair> pairs_;  // the oldest first
};

}  // namespace ebp::optimize

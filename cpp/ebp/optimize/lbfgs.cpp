#include "ebp/optimize/lbfgs.h"

#include <utility>
#include <vector>

namespace ebp::optimize {

bool LbfgsDirection::compute(Objective&, const Point& point, Vector& d, Counts&) {
  d = -point.gradient;
  if (pairs_.empty()) return true;
  std::vector<double> alpha(pairs_.size());
  for (std::size_t k = pairs_.size(); k-- > 0;) {
    alpha[k] = pairs_[k].delta.dot(d) / pairs_[k].product;
    d -= alpha[k] * pairs_[k].phi;
  }
  d *= pairs_.back().product / pairs_.back().phi.squaredNorm();
  for (std::size_t k = 0; k < pairs_.size(); ++k) {
    const double beta = pairs_[k].phi.dot(d) / pairs_[k].product;
    d += (alpha[k] - beta) * pairs_[k].delta;
  }
  return true;
}

double LbfgsDirection::initial_step(const Point&, const Vector& d) {
  return pairs_.empty() ? cautious_step(d) : 1;
}

void LbfgsDirection::accept(const Point& before, const Point& after, const Vector&, double) {
  Pair pair{after.x - before.x, after.gradient - before.gradient, 0};
  pair.product = pair.delta.dot(pair.phi);
  if (!(pair.product > 0)) return;
  if (Index(pairs_.size()) == memory_) pairs_.pop_front();
  pairs_.push_back(std::move(pair));
}

bool LbfgsDirection::restart() {
  const bool something = !pairs_.empty();
  pairs_.clear();
  return something;
}

}  // namespace ebp::optimize

#include "ebp/optimize/damping.h"

#include <cmath>
#include <limits>

namespace ebp::optimize {
namespace {

// The smallest mu that is tried: J'J, scaled, has elements around 1.
constexpr double kAlmostNone = 1e-14;
// The length of a step differs from the radius by this share of it at most.
constexpr double kTolerance = 0.01;
constexpr int kMostSystems = 30;

}  // namespace

bool TrustRegionDamping::propose(StepSolver& solver, const StepPoint& at, Vector& step) {
  if (!started_) {
    radius_ = at.scale.cwiseProduct(at.x).norm();
    if (radius_ == 0) radius_ = at.scale.norm();
    started_ = true;
  }
  const auto length_at = [&](double mu) {
    length_ =
        solver.solve(mu, step) ? at.scale.cwiseProduct(step).norm() : std::numeric_limits<double>::infinity();
    return length_;
  };
  if (length_at(kAlmostNone) <= radius_) return true;
  // 1 / |D step| is nearly a straight line over mu, so that secants find the radius in two or three steps;
  // the bracket's upper end follows from |D step| <= |D^-1 J'r| / mu.
  double low = kAlmostNone, high = at.gradient.cwiseQuotient(at.scale).norm() / radius_;
  double before = low, inverse_before = 1 / length_, mu = std::sqrt(low * std::max(high, low));
  for (int k = 0; k < kMostSystems && low < high; ++k) {
    const double inverse = 1 / length_at(mu);
    if (std::abs(length_ - radius_) <= kTolerance * radius_) break;
    (length_ > radius_ ? low : high) = mu;
    double next = mu + (1 / radius_ - inverse) * (mu - before) / (inverse - inverse_before);
    if (!(next > low && next < high)) next = std::sqrt(low * high);
    before = mu;
    inverse_before = inverse;
    mu = next;
  }
  return std::isfinite(length_);
}

void TrustRegionDamping::accept(double gain_ratio) {
  if (gain_ratio < 0.25)
    radius_ = length_ / 4;
  else if (gain_ratio > 0.75 && length_ > (1 - 2 * kTolerance) * radius_)
    radius_ *= 2;
}

}  // namespace ebp::optimize

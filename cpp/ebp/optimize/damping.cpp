#include "ebp/optimize/damping.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ebp::optimize {
namespace {

// The length of a step differs from the radius by this share of it at most. Looser lengths save a system or
// two, but make the course of a search depend on how each root was found.
constexpr double kTolerance = 1e-3;
constexpr int kMostSystems = 30;

}  // namespace

bool TrustRegionDamping::propose(StepSolver& solver, const StepPoint& at, Vector& step) {
  if (!started_) {
    // J'J, scaled, has no eigenvalue above n, so that the steepest descent to the model's minimum is no
    // shorter than this share of the gradient.
    const double descent = at.gradient.cwiseQuotient(at.scale).norm() / double(at.x.size());
    radius_ = std::max(at.scale.cwiseProduct(at.x).norm(), descent);
    started_ = true;
  }
  const auto length_at = [&](double mu) {
    length_ =
        solver.solve(mu, step) ? at.scale.cwiseProduct(step).norm() : std::numeric_limits<double>::infinity();
    return length_;
  };
  // 1 / |D step| is nearly a straight line over mu, so that secants find the radius in two or three steps;
  // the upper end of the bracket follows from |D step| <= |D^-1 J'r| / mu.
  double low = 0, high = at.gradient.cwiseQuotient(at.scale).norm() / radius_, before = 0, inverse_before = 0;
  for (int k = 0; k < kMostSystems; ++k) {
    const double inverse = 1 / length_at(mu_);
    if (std::abs(length_ - radius_) <= kTolerance * radius_) break;
    if (mu_ == kAlmostNone && length_ < radius_) break;
    if (length_ > radius_)
      low = mu_;
    else
      high = std::min(high, mu_);
    if (!(low < high)) break;
    double next = mu_ / (radius_ * inverse);
    if (k > 0) next = mu_ + (1 / radius_ - inverse) * (mu_ - before) / (inverse - inverse_before);
    if (mu_ == kAlmostNone || !(next < high) || (low > 0 && !(next > low)))
      next = std::sqrt(std::max(low, kAlmostNone) * high);
    before = mu_;
    inverse_before = inverse;
    mu_ = std::max(next, kAlmostNone);
  }
  return std::isfinite(length_);
}

bool TrustRegionDamping::accept(double gain_ratio) {
  const bool grows = gain_ratio > 0.75 && length_ > (1 - 2 * kTolerance) * radius_;
  if (gain_ratio < 0.25)
    radius_ = length_ / 4;
  else if (grows)
    radius_ *= 2;
  return grows;
}

}  // namespace ebp::optimize

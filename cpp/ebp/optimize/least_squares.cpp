#include "ebp/optimize/least_squares.h"

#include <algorithm>
#include <cmath>

namespace ebp::optimize {

LinearModel::LinearModel(LeastSquares& problem, const LeastSquaresOptions& options,
                         LeastSquaresResult& result)
    : problem_(problem),
      options_(options),
      result_(result),
      norms_(problem.n_parameters()),
      scale_(Vector::Constant(problem.n_parameters(), options.smallest_scale)),
      trial_r_(problem.n_residuals()) {
  result_.gradient = Vector::Zero(problem.n_parameters());
}

bool LinearModel::begin(const Vector& x) {
  problem_.residuals(x, trial_r_);
  ++result_.counts.values;
  result_.x = first_x_ = x;
  result_.residuals = trial_r_;
  first_norm_ = trial_r_.norm();
  return std::isfinite(result_.cost()) && move(x, result_.residuals);
}

bool LinearModel::move(const Vector& x, const Vector& r) {
  result_.x = x;
  result_.residuals = r;
  problem_.linearize(result_.x);
  ++result_.counts.jacobians;
  problem_.gradient(result_.residuals, result_.gradient);
  problem_.column_norms(norms_);
  result_.optimality = result_.gradient.lpNorm<Eigen::Infinity>();
  if (!norms_.allFinite() || !result_.gradient.allFinite()) return false;
  if (options_.scale_columns)
    scale_ = scale_.cwiseMax(norms_).cwiseMin(options_.largest_scale);
  else if (result_.counts.jacobians == 1)
    scale_.setConstant(std::clamp(norms_.norm() / std::sqrt(double(norms_.size())), options_.smallest_scale,
                                  options_.largest_scale));
  return true;
}

bool LinearModel::gradient_small() const {
  const double r_norm = result_.residuals.norm();
  if (r_norm <= options_.zero_tolerance * first_norm_) return true;
  return (result_.gradient.array().abs() <= options_.gradient_tolerance * r_norm * norms_.array()).all();
}

double LinearModel::promised(const Vector& step) {
  return -result_.gradient.dot(step) - 0.5 * problem_.squared_product(step);
}

double LinearModel::decrease(const Vector& step) {
  trial_x_ = result_.x + step;
  problem_.residuals(trial_x_, trial_r_);
  ++result_.counts.values;
  // Unlike the difference of two squares, this keeps its digits.
  const double decrease = 0.5 * (result_.residuals - trial_r_).dot(result_.residuals + trial_r_);
  return std::isfinite(decrease) ? decrease : -std::numeric_limits<double>::infinity();
}

bool LinearModel::step_small(const Vector& step) const {
  const double most = kFar * (scale_.cwiseProduct(first_x_).norm() + scale_.norm());
  const double length = std::min(scale_.cwiseProduct(result_.x).norm(), most);
  return scale_.cwiseProduct(step).norm() <= options_.step_tolerance * length;
}

bool LinearModel::decrease_small(double decrease, double promised) const {
  const double enough = options_.decrease_tolerance * result_.cost();
  return std::abs(decrease) <= enough && promised <= enough;
}

bool LinearModel::lost_in_rounding(double promised) const {
  const double here = result_.cost(), first = 0.5 * first_norm_ * first_norm_;
  return promised <= options_.rounding * std::sqrt(here * std::max(here, first));
}

}  // namespace ebp::optimize

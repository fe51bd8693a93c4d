#include "ebp/fit/network_objective.h"

#include <cmath>

#include "ebp/curvature/hessian.h"

namespace ebp::fit {
namespace {

// Rounding of a mean loss, in units of the type's precision.
constexpr double kRoundings = 45;

template <class T>
Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>> mapped(const AlignedVector<T>& values) {
  return {values.data(), Index(values.size())};
}

// Operations of the exact Hessian of one row: passes for every unit or every shared parameter, at least one
// for each of its elements.
template <class T>
double hessian_cost(const Network<T>& network, double pass_cost) {
  double passes = 0;
  for (const ParameterBlock& block : network.parameter_blocks())
    passes += double(block.shares == 1 ? Index(block.unit_sizes.size()) : block.size());
  const double p = double(network.n_parameters());
  return std::max(passes * pass_cost, p * p);
}

}  // namespace

template <class T>
NetworkObjective<T>::NetworkObjective(const Task<T>& task, bool dense_hessian)
    : at_(task),
      dense_hessian_(dense_hessian),
      direction_(task.network.n_parameters()),
      sum_(task.network.n_parameters()) {}

template <class T>
double NetworkObjective<T>::evaluate(const Vector& x, Vector& gradient) {
  const Task<T>& task = at_.task();
  gradient.setZero();
  if (!at_.move(x)) return std::numeric_limits<double>::quiet_NaN();
  double value = 0;
  at_.for_parts(at_.pass_cost(), [&](const Batch<T>& part) {
    value += loss_and_gradient(task.network, at_.theta(), part, task.n_threads, sum_.data());
    gradient += mapped(sum_).template cast<double>();
  });
  value /= at_.total_weight();
  gradient /= at_.total_weight();
  for (const Index k : at_.decayed()) {
    value += 0.5 * task.weight_decay * x[k] * x[k];
    gradient[k] += task.weight_decay * x[k];
  }
  if (best_.x.size() == 0) first_value_ = std::abs(value);
  if (gradient.allFinite()) best_.offer(value, x);
  return value;
}

// The outputs are rounded in proportion to themselves, and a loss is of second order in their errors: one
// much smaller than at the start is rounded by more than its own share.
template <class T>
double NetworkObjective<T>::rounding(double value) const {
  const double size = std::abs(value);
  return kRoundings * double(std::numeric_limits<T>::epsilon()) *
         std::sqrt(size * std::max(size, first_value_));
}

template <class T>
void NetworkObjective<T>::hessian(const Vector& x, Matrix& h) {
  const Task<T>& task = at_.task();
  const Index p = size();
  at_.move(x);
  h.setZero();
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> sum(p, p);
  at_.for_parts(hessian_cost(task.network, at_.pass_cost()), [&](const Batch<T>& part) {
    ebp::hessian(task.network, at_.theta(), part, Hessian::kExact, task.n_threads, sum.data());
    h += sum.template cast<double>();
  });
  h /= at_.total_weight();
  for (const Index k : at_.decayed()) h(k, k) += task.weight_decay;
}

template <class T>
void NetworkObjective<T>::keep_states(const Vector& x) {
  if (kept_x_.size() && kept_x_ == x) return;
  const Task<T>& task = at_.task();
  kept_.clear();
  at_.move(x);
  kept_x_ = x;
  if (Linearization<T>::row_bytes(task.network) > kMostKept / std::max(task.batch.n, Index(1))) return;
  at_.for_parts(at_.pass_cost(), [&](const Batch<T>& part) {
    kept_.push_back(std::make_unique<HessianProduct<T>>(task.network, at_.theta(), part, Hessian::kExact,
                                                        task.n_threads));
  });
}

template <class T>
void NetworkObjective<T>::hessian_product(const Vector& x, const Vector& v, Vector& product) {
  const Task<T>& task = at_.task();
  keep_states(x);
  product.setZero();
  const double length = v.norm();
  if (length == 0) return;
  for (Index k = 0; k < v.size(); ++k) direction_[std::size_t(k)] = T(v[k] / length);
  std::size_t next = 0;
  at_.for_parts(at_.pass_cost(), [&](const Batch<T>& part) {
    if (kept_.empty()) {
      at_.move(x);
      HessianProduct<T>(task.network, at_.theta(), part, Hessian::kExact, task.n_threads)
          .apply(direction_.data(), sum_.data());
    } else {
      kept_[next++]->apply(direction_.data(), sum_.data());
    }
    product += mapped(sum_).template cast<double>();
  });
  product *= length / at_.total_weight();
  for (const Index k : at_.decayed()) product[k] += task.weight_decay * v[k];
}

template class NetworkObjective<float>;
template class NetworkObjective<double>;

}  // namespace ebp::fit

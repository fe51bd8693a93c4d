#include "ebp/fit/task.h"

#include <cmath>

namespace ebp::fit {
namespace {

// Operations of a part: some hundredths of a second, long enough for its overhead not to count.
constexpr double kPartCost = 5e8;
// Rows of the smallest part, below which products of matrices become slow.
constexpr double kFewestRows = 32;
// Operations of a unit's activation, forward and back, in units of an addition.
constexpr double kUnitCost = 20;

}  // namespace

template <class T>
TaskAtPoint<T>::TaskAtPoint(const Task<T>& task) : task_(task), theta_(task.network.n_parameters()) {
  for (Index row = 0; row < task.batch.n; ++row)
    total_weight_ += task.batch.weights ? double(task.batch.weights[row]) : 1.0;
  for (const auto& stage : task.network.stages()) pass_cost_ += kUnitCost * double(stage.module->n_outputs());
  for (const ParameterBlock& block : task.network.parameter_blocks()) {
    pass_cost_ += 6.0 * double(block.size() * block.shares);
    if (block.role != Role::kWeight || task.weight_decay == 0) continue;
    for (Index k = 0; k < block.size(); ++k) decayed_.push_back(block.start + k);
  }
}

template <class T>
bool TaskAtPoint<T>::move(const Vector& x) {
  bool finite = true;
  for (Index k = 0; k < x.size(); ++k) {
    theta_[std::size_t(k)] = T(x[k]);
    finite = finite && std::isfinite(theta_[std::size_t(k)]);
  }
  return finite;
}

template <class T>
Index TaskAtPoint<T>::part_rows(double row_cost) {
  return Index(std::max(kFewestRows, std::min(1e9, kPartCost / row_cost)));
}

template class TaskAtPoint<float>;
template class TaskAtPoint<double>;

}  // namespace ebp::fit

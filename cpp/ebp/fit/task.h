// What a network is fitted to, and the passes over its rows in parts that do not take long.
#pragma once

#include <functional>
#include <limits>
#include <vector>

#include "ebp/nn/batch.h"
#include "ebp/optimize/objective.h"

namespace ebp::fit {

using optimize::Matrix;
using optimize::Vector;

// The mean over the rows of `batch`, weighted, of E, plus weight_decay / 2 times the sum of the squares of
// all parameters that are weights (Role::kWeight). Network and arrays must stay as they are.
template <class T>
struct Task {
  const Network<T>& network;
  Batch<T> batch;
  double weight_decay = 0;
  Index n_threads = 1;
  // Called by the caller's thread before every part of a pass; may throw.
  std::function<void()> poll;
};

// The best point that has been seen: what is left when an exception ends a search.
struct Best {
  double value = std::numeric_limits<double>::infinity();
  Vector x;  // (p); empty before the first finite value

  void offer(double new_value, const Vector& new_x) {
    if (!(new_value < value)) return;
    value = new_value;
    x = new_x;
  }
};

// A task at one point, which the optimisers give in double precision and the passes take in the network's.
template <class T>
class TaskAtPoint {
 public:
  explicit TaskAtPoint(const Task<T>& task);

  const Task<T>& task() const { return task_; }
  Index n_parameters() const { return Index(theta_.size()); }
  // Sum of the weights of all rows.
  double total_weight() const { return total_weight_; }
  // Moves to x (p), rounded; false where it is not finite in the network's type.
  bool move(const Vector& x);
  const T* theta() const { return theta_.data(); }
  // Arithmetic operations of a forward and a backward pass of one row.
  double pass_cost() const { return pass_cost_; }
  // Positions of the parameters that weight decay pulls; empty without weight decay.
  const std::vector<Index>& decayed() const { return decayed_; }

  // Calls body(part) for one part of the rows after the other, at a cost of so many operations a row.
  template <class Body>
  void for_parts(double row_cost, Body&& body) const {
    const Index n = task_.batch.n, rows = part_rows(row_cost);
    for (Index start = 0; start < n; start += rows) {
      if (task_.poll) task_.poll();
      body(task_.batch.slice(task_.network, start, std::min(rows, n - start)));
    }
  }
  // Rows of a part.
  static Index part_rows(double row_cost);

 private:
  Task<T> task_;
  AlignedVector<T> theta_;
  double total_weight_ = 0, pass_cost_ = 0;
  std::vector<Index> decayed_;
};

}  // namespace ebp::fit

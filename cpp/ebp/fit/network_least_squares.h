// A network with the loss "squared_error" and its data as a sum of squares.
#pragma once

#include <memory>

#include "ebp/curvature/linearization.h"
#include "ebp/fit/task.h"

namespace ebp::fit {

// The total weight of the rows times the value of the task is |r|^2 / 2, where r holds sqrt(weight) (o - t)
// for all rows and outputs and then sqrt(weight_decay total_weight) w for the parameters that decay.
//
// With `normal`, J'J is added up part by part for the Cholesky solver, and J itself, (rows outputs, p), is
// never formed. Without, products J v and J'u serve conjugate gradient: passes through states that are kept
// until the next linearize(), unless they would not fit.
template <class T>
class NetworkLeastSquares : public optimize::LeastSquares {
 public:
  NetworkLeastSquares(const Task<T>& task, bool normal);

  Index n_parameters() const override { return at_.n_parameters(); }
  Index n_residuals() const override;
  void residuals(const Vector& x, Vector& r) override;
  void linearize(const Vector& x) override;
  void product(const Vector& v, Vector& jv) override;
  void transposed_product(const Vector& u, Vector& jtu) override;
  double squared_product(const Vector& v) override;
  void normal_matrix(Matrix& normal) override { normal = normal_; }
  void column_norms(Vector& norms) override;

  double total_weight() const { return at_.total_weight(); }
  const Best& best() const { return best_; }

 private:
  // What one thread needs.
  struct Worker {
    Tape<T> tape;
    DirectionalPass<T> pass;
    AlignedVector<T> rows, sum;  // (rows of a block, outputs), (p)
    Worker(const Network<T>& network, Index max_rows)
        : tape(network, max_rows),
          pass(network, max_rows),
          rows(std::size_t(max_rows * network.n_outputs())),
          sum(std::size_t(network.n_parameters())) {}
  };

  // Calls body(worker, block, number of the block) for all blocks of rows, shared out among the threads.
  template <class Body>
  void for_blocks(Body&& body);
  // Calls body(states) with the states of a block at the point of linearize().
  template <class Body>
  void with_states(const Batch<T>& block, Index number, Body&& body);
  Index first_row(Index number) const { return number * block_rows_; }
  double root_weight(Index row) const {
    return root_weights_.empty() ? 1.0 : root_weights_[std::size_t(row)];
  }

  TaskAtPoint<T> at_;
  bool normal_only_;
  Index block_rows_;
  double root_decay_;                                    // sqrt(weight_decay total_weight)
  std::vector<double> root_weights_;                     // (n), empty without weights
  std::vector<Worker> workers_;                          // one a thread
  std::vector<std::unique_ptr<Linearization<T>>> kept_;  // one a block, or none
  AlignedVector<T> linear_theta_, direction_;            // (p): the point of linearize()
  Matrix normal_;                                        // J'J (p, p)
  Best best_;
};

}  // namespace ebp::fit

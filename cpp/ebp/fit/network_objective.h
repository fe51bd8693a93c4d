// A network and its data as a function of the parameters.
#pragma once

#include <memory>

#include "ebp/curvature/hessian_product.h"
#include "ebp/fit/task.h"

namespace ebp::fit {

// The value of the task with its derivatives. With dense_hessian Newton's method gets the whole Hessian, else
// products with it.
template <class T>
class NetworkObjective : public optimize::Objective {
 public:
  NetworkObjective(const Task<T>& task, bool dense_hessian);

  Index size() const override { return at_.n_parameters(); }
  double evaluate(const Vector& x, Vector& gradient) override;
  bool has_hessian() const override { return dense_hessian_; }
  void hessian(const Vector& x, Matrix& h) override;
  // The states of the passes at x are kept until another x comes.
  void hessian_product(const Vector& x, const Vector& v, Vector& product) override;
  double rounding(double value) const override;

  const Best& best() const { return best_; }

 private:
  void keep_states(const Vector& x);

  TaskAtPoint<T> at_;
  bool dense_hessian_;
  double first_value_ = 0;
  Best best_;
  AlignedVector<T> direction_, sum_;                      // (p)
  Vector kept_x_;                                         // where the products below belong
  std::vector<std::unique_ptr<HessianProduct<T>>> kept_;  // one a part, or none if they would not fit
};

}  // namespace ebp::fit

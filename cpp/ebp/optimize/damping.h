// How Levenberg-Marquardt chooses mu of (47): a policy, told how well each step went.
#pragma once

#include <algorithm>

namespace ebp::optimize {

class Damping {
 public:
  virtual ~Damping() = default;
  virtual double mu() const = 0;
  // The step was taken; gain_ratio is the decrease over the decrease that the linear model promised.
  virtual void accept(double gain_ratio) = 0;
  // The step was not taken: the next one has to be shorter.
  virtual void reject() = 0;
};

// Smooth control of mu (Nielsen 1999): mu <- mu max(1/3, 1 - (2 gain_ratio - 1)^3) after a step, which lowers
// it where the model is good and raises it where it is poor; mu <- nu mu with nu = 2, 4, 8, ... in refusals.
class NielsenDamping : public Damping {
 public:
  explicit NielsenDamping(double initial) : mu_(initial) {}
  double mu() const override { return mu_; }
  void accept(double gain_ratio) override {
    const double t = 2 * std::min(gain_ratio, 1.0) - 1;
    mu_ = std::max(mu_ * std::max(kFastestFall, 1 - t * t * t), kSmallest);
    nu_ = 2;
  }
  void reject() override {
    mu_ *= nu_;
    nu_ *= 2;
  }

 private:
  static constexpr double kFastestFall = 1.0 / 3, kSmallest = 1e-30;
  double mu_, nu_ = 2;
};

}  // namespace ebp::optimize

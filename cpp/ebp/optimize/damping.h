// How Levenberg-Marquardt chooses mu of (47): a policy, told how well each step went.
#pragma once

#include <algorithm>

#include "ebp/optimize/step_solver.h"

namespace ebp::optimize {

// Where a step is to start.
struct StepPoint {
  const Vector &x, &gradient, &scale;  // x, J'r and the diagonal of D (n)
};

class Damping {
 public:
  virtual ~Damping() = default;
  // The step (n) to try next, from a solver that is prepared; false if its system could not be solved.
  virtual bool propose(StepSolver& solver, const StepPoint& at, Vector& step) = 0;
  // The step was taken; gain_ratio is the decrease over the decrease that the linear model promised. Returns
  // whether the step was short because of the damping alone, so that the next one will be longer: then
  // neither a short step nor a small decrease is a sign of convergence.
  virtual bool accept(double gain_ratio) = 0;
  // The step was not taken: the next one has to be shorter.
  virtual void reject() = 0;
  // Whether steps cannot become any shorter.
  virtual bool exhausted() const = 0;
};

// Smooth control of mu (Nielsen 1999): mu <- mu max(1/3, 1 - (2 gain_ratio - 1)^3) after a step, which lowers
// it where the model is good and raises it where it is poor; mu <- nu mu with nu = 2, 4, 8, ... in refusals.
// One system a step.
class NielsenDamping : public Damping {
 public:
  explicit NielsenDamping(double initial) : mu_(initial) {}
  double mu() const { return mu_; }
  bool propose(StepSolver& solver, const StepPoint&, Vector& step) override {
    return solver.solve(mu_, step);
  }
  bool accept(double gain_ratio) override {
    const double t = 2 * std::min(gain_ratio, 1.0) - 1;
    mu_ = std::max(mu_ * std::max(kFastestFall, 1 - t * t * t), kSmallest);
    nu_ = 2;
    return false;
  }
  void reject() override {
    mu_ *= nu_;
    nu_ *= 2;
  }
  bool exhausted() const override { return mu_ > kLargest; }

 private:
  static constexpr double kFastestFall = 1.0 / 3, kSmallest = 1e-30, kLargest = 1e60;
  double mu_, nu_ = 2;
};

// mu such that |D step| is the radius of the region in which the linear model is trusted, or next to 0 where
// the step is shorter anyway (More 1978). The radius starts from |D x| or |D^-1 J'r| / n; it is quartered,
// from the length of the step, where the gain ratio is below 1/4, and doubled where it is above 3/4 for a
// step as long as the radius. Some systems a step, which factorisations solve quickly.
class TrustRegionDamping : public Damping {
 public:
  bool propose(StepSolver& solver, const StepPoint& at, Vector& step) override;
  bool accept(double gain_ratio) override;
  void reject() override { radius_ = std::min(length_, radius_) / 4; }
  bool exhausted() const override { return started_ && !(radius_ > 0); }

  double radius() const { return radius_; }

 private:
  // The smallest mu: J'J, scaled, has elements around 1.
  static constexpr double kAlmostNone = 1e-14;
  bool started_ = false;
  double radius_ = 0, length_ = 0;  // length_: |D step| of the last proposal
  double mu_ = kAlmostNone;         // of the last proposal, where the next search begins
};

}  // namespace ebp::optimize

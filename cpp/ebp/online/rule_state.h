// What a rule remembers about every parameter of one network.
#pragma once

#include <vector>

#include "ebp/base/aligned.h"
#include "ebp/nn/network.h"
#include "ebp/online/rules.h"

namespace ebp {

// Vectors in the layout of theta (p).
template <class T>
class RuleState {
 public:
  RuleState(const Network<T>& network, const RuleOptions& options);

  RuleOptions options;
  AlignedVector<T> velocity;   // v; empty without momentum
  AlignedVector<T> curvature;  // h; empty for SGD
  AlignedVector<T> rates;      // the effective rate of each parameter
  bool measured = false;       // h has been measured or has begun its running average

  // Takes `sum` (p), a sum of diagonal second derivatives over `count` samples, as h.
  void set_curvature(const T* sum, Index count);
  // h <- (1 - gamma) h + gamma (sum / count), (62)
  void average_curvature(const T* sum, Index count);
  // rates from epsilon and h
  void refresh_rates();
  // One step with the gradient g (p); theta (p) is updated in place.
  void apply(const T* g, T* theta);
  // Forgets momentum and curvature.
  void reset();
  bool finite() const;

 private:
  // Replaces every unit's values by their mean, where one h a unit is wanted.
  void share_within_units(AlignedVector<T>& values) const;

  std::vector<ParameterBlock> blocks_;
};

}  // namespace ebp

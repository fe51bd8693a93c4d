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

  // A stretch of the parameters that consists of whole blocks: one module's, or all.
  struct Part {
    Index start, size;
    std::size_t first_block, last_block;  // the last one excluded
  };
  Part part(Index start, Index size) const;
  Part whole() const { return {0, Index(rates.size()), 0, blocks_.size()}; }

  // Takes the means h (p) over samples as the curvature.
  void set_curvature(const T* h);
  // h <- (1 - gamma) h + gamma mean, (62), for a part; mean (part.size) is overwritten.
  void average_curvature(const Part& part, T* mean);
  // rates of a part from epsilon and h
  void refresh_rates(const Part& part);
  void refresh_rates() { refresh_rates(whole()); }
  // One step of a part with the gradient g (part.size); theta (part.size) is updated in place.
  void apply(const Part& part, const T* g, T* theta);
  // Forgets momentum and curvature.
  void reset();
  bool finite() const;

 private:
  // Replaces every unit's values (part.size) by their mean, where one h a unit is wanted.
  void share_within_units(const Part& part, T* values) const;

  std::vector<ParameterBlock> blocks_;
};

}  // namespace ebp

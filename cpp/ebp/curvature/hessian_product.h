// Products of the Hessian with vectors, by the R-operator. Section 7.5.
#pragma once

#include <memory>
#include <vector>

#include "ebp/curvature/linearization.h"

namespace ebp {

// Which matrix: the second derivatives themselves (50), or J'DJ (51) with D the loss's second derivatives
// with respect to the outputs, which leaves out how the outputs bend.
enum class Hessian { kExact, kGaussNewton };

// H v at a fixed point: the sum over rows of weight times the second derivatives of E. The states of the
// forward and of the backward pass are computed once and kept, unless they would take more than `most_kept`
// bytes.
template <class T>
class HessianProduct {
 public:
  // theta (p) is copied; the batch's arrays must stay as they are while the object lives.
  HessianProduct(const Network<T>& network, const T* theta, const Batch<T>& batch, Hessian kind,
                 Index n_threads, Index most_kept = kMostKept);

  // product (p), overwritten, = H v; may be called from several threads at a time.
  void apply(const T* v, T* product) const;

 private:
  std::unique_ptr<const Linearization<T>> linearize(Index b) const;

  const Network<T>& network_;
  AlignedVector<T> theta_;
  Blocks<T> blocks_;
  Hessian kind_;
  Index n_threads_;
  std::vector<std::unique_ptr<const Linearization<T>>> kept_;  // one a block, or none
};

}  // namespace ebp

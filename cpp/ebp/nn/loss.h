// Per-sample losses with their first and second derivatives with respect to the outputs.
#pragma once

#include <memory>
#include <string>

#include "ebp/base/types.h"

namespace ebp {

// Rows are samples; o (outputs), t (targets) and every result are (k) for one sample. Results are
// overwritten, g up to simd::padded(k).
template <class T>
class Loss {
 public:
  virtual ~Loss() = default;
  virtual const char* name() const = 0;
  // E
  virtual T value(Index k, const T* o, const T* t) const = 0;
  // g = dE/do; returns E, which costs nothing more
  virtual T gradient(Index k, const T* o, const T* t, T* g) const = 0;
  // h = diagonal of d2E/do2: the seed of (54)
  virtual void curvature(Index k, const T* o, const T* t, T* h) const = 0;
  // hv = (d2E/do2) v with the whole matrix
  virtual void curvature_product(Index k, const T* o, const T* t, const T* v, T* hv) const = 0;
};

// "squared_error" (half the sum of squares), "cross_entropy" (softmax inside), "binary_cross_entropy"
// (logistic inside, summed over outputs), and, summed over outputs, "absolute_error", "huber" (squared up to
// an error of 1) and "hinge" (targets -1 and 1). Throws std::invalid_argument, listing the known names.
template <class T>
std::unique_ptr<Loss<T>> make_loss(const std::string& name);

}  // namespace ebp

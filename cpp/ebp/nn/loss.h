// Per-sample losses with their first and second derivatives with respect to the outputs.
#pragma once

#include <memory>
#include <string>

#include "ebp/nn/module.h"

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
  // f (k, k), a square root: d2E/do2 = F'F. Unless overridden, for losses whose second derivatives are a
  // diagonal.
  virtual void curvature_factor(Index k, const T* o, const T* t, T* f) const;

  // Whether the curvature below the output module `last` is to be taken from curvature_below, because the
  // diagonal at the outputs says too little about it.
  virtual bool seeds_below(const Module<T>& /*last*/) const { return false; }
  // hx (i) = diagonal of d2E/dx2 for one row of inputs x (i) of `last`, whose parameters are theta.
  virtual void curvature_below(const Module<T>& /*last*/, const T* /*theta*/, const T* /*x*/, const T* /*o*/,
                               const T* /*t*/, T* /*hx*/) const {}
};

struct LossOptions {
  double delta = 1;              // huber: error up to which the loss is a square
  double j = 1;                  // map: the rubbish class counts like a code at this squared distance
  bool exact_curvature = false;  // map: the exact diagonal below a EuclideanRBF instead of the constant 2
};

// "squared_error" (half the sum of squares), "cross_entropy" (softmax inside), "binary_cross_entropy"
// (logistic inside, summed over outputs), and, summed over outputs, "absolute_error", "huber" and "hinge"
// (targets -1 and 1); "map" (see map_loss.h). Throws std::invalid_argument, listing the known names.
template <class T>
std::unique_ptr<Loss<T>> make_loss(const std::string& name, const LossOptions& options = {});

}  // namespace ebp

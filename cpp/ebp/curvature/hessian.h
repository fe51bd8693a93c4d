// The whole Hessian, and its diagonal. Sections 7.2-7.4.
#pragma once

#include "ebp/curvature/hessian_product.h"

namespace ebp {

// h (p, p), overwritten, symmetric: the sum over rows of weight times the second derivatives of E at theta
// (p).
//
// kExact: row by row of h, tangent passes that begin at the module a parameter belongs to and, by symmetry,
// go back no further than it. Weights of a dense layer that lead to the same unit share one pass: what they
// do to the unit's total input differs by the factor x_i only (Bishop 1992). Threads share the parameters.
// kGaussNewton: one symmetric product of rank (rows times outputs) a block. Threads share the rows, each with
// a matrix of its own.
template <class T>
void hessian(const Network<T>& network, const T* theta, const Batch<T>& batch, Hessian kind, Index n_threads,
             T* h);

// h (p), overwritten: its diagonal. kGaussNewton: one pass back for each output; kExact: as many passes as
// there are units of dense layers and parameters of others.
template <class T>
void hessian_diagonal(const Network<T>& network, const T* theta, const Batch<T>& batch, Hessian kind,
                      Index n_threads, T* h);

}  // namespace ebp

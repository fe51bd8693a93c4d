// The largest eigenvalue of the Hessian, estimated while samples pass by. Section 9.2, (64).
#pragma once

#include <functional>

#include "ebp/nn/network.h"
#include "ebp/online/feed.h"

namespace ebp {

// psi <- (1 - gamma) psi + (gamma / alpha) [grad(theta + alpha psi / |psi|) - grad(theta)], both gradients
// from the same sample; |psi| tends to the largest eigenvalue in absolute value and psi to its direction.
// With a shift, to those of H + shift I.
//
// psi (p) is read and updated; it may not be 0. gammas (n) has one gamma a presentation; norms (n) gets
// |psi| after each. `pulse`, which may be empty, is called at each and may throw. The network is not changed.
// Double precision, as the gradients are nearly equal.
void online_eigenvalue(const Network<double>& network, const Samples<double>& samples, const Index* order,
                       Index n, double alpha, double shift, const double* gammas, double* psi, double* norms,
                       const std::function<void()>& pulse);

}  // namespace ebp

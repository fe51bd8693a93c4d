// Levenberg-Marquardt, (47) with the sign corrected: w <- w - (J'J + mu D^2)^-1 J'r.
#pragma once

#include "ebp/optimize/damping.h"
#include "ebp/optimize/least_squares.h"

namespace ebp::optimize {

// The loop: the damping chooses mu, the solver solves. J'r is the gradient of the sum of squares, as (47)
// needs; D = I would be the paper's form, and D of column lengths makes the method indifferent to units (More
// 1978). The result is the best point found, whatever ended the search.
LeastSquaresResult levenberg_marquardt(LeastSquares& problem, const Vector& x, Damping& damping,
                                       StepSolver& solver, const LeastSquaresOptions& options,
                                       const Callback& callback);

}  // namespace ebp::optimize

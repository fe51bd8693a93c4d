// Gauss-Newton, (46) with the sign corrected: w <- w - a (J'J)^-1 J'r.
#pragma once

#include "ebp/optimize/least_squares.h"

namespace ebp::optimize {

// The factor a is 1, halved until the sum of squares falls far enough. Where J is short of rank, the
// solvers give the shortest of the steps that (46) allows. The result is the best point found, whatever ended
// the search.
LeastSquaresResult gauss_newton(LeastSquares& problem, const Vector& x, StepSolver& solver,
                                const LeastSquaresOptions& options, const Callback& callback);

}  // namespace ebp::optimize

// The contract every part of a network fulfils: five passes over a batch of rows.
#pragma once

#include <string>
#include <vector>

#include "ebp/base/types.h"

namespace ebp {

// What a parameter is. Weight decay pulls weights alone: to a place in the space of the inputs (centre,
// width or code) 0 means nothing.
enum class Role { kWeight, kBias, kPlace };

// One named array inside the flat parameter vector.
struct ParameterBlock {
  std::string name;               // "weights", "bias", "coefficients", ...; "0.weights" within a network
  Index start;                    // offset into the owner's parameters
  std::vector<Index> shape;       // such as (out, in) for dense weights, (out,) for a bias
  std::vector<Index> unit_sizes;  // parameters of each unit, in order
  std::vector<Index> fan_ins;     // connections that reach each unit, the bias not counted
  Index shares;                   // connections that use each parameter
  Role role;
  Index size() const;
};

// A module is a pure function of (theta, x) and keeps no state between passes, so that one module serves
// any number of threads. Index letters: n rows, i inputs, o outputs, p parameters of this module.
//
// Arrays are row-major and dense. Outputs of a pass are overwritten unless "accumulated" is said; no output
// may alias an input. A null pointer for a result of a backward pass means that nobody wants it, and one for
// a tangent dtheta or dx that it is 0.
template <class T>
class Module {
 public:
  Module(Index n_inputs, Index n_outputs, Index n_parameters)
      : n_inputs_(n_inputs), n_outputs_(n_outputs), n_parameters_(n_parameters) {}
  virtual ~Module() = default;

  Index n_inputs() const { return n_inputs_; }
  Index n_outputs() const { return n_outputs_; }
  Index n_parameters() const { return n_parameters_; }

  virtual const char* kind() const = 0;
  virtual std::vector<ParameterBlock> parameter_blocks() const { return {}; }

  // y (n, o) from x (n, i). Paper (2)-(3).
  virtual void forward(Index n, const T* theta, const T* x, T* y) const = 0;

  // gx (n, i) from gy = dE/dy (n, o); gtheta (p) accumulated, the sum over rows. (4)-(6).
  virtual void backward(Index n, const T* theta, const T* x, const T* gy, T* gx, T* gtheta) const = 0;

  // Diagonal second derivatives in Gauss-Newton form: hx (n, i), may be null, from hy (n, o); htheta (p),
  // never null, accumulated, the sum over rows. (54)-(58).
  virtual void backward_curvature(Index n, const T* theta, const T* x, const T* hy, T* hx,
                                  T* htheta) const = 0;

  // R-operator forward: dy (n, o) = R{y} along dtheta (p) and dx (n, i), of which a module with parameters
  // may get one as null, others none. Section 7.5.
  virtual void forward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                               T* dy) const = 0;

  // R-operator backward: dgx (n, i) = R{gx} and dgtheta (p), accumulated, = R{gtheta}, from gy (n, o) and
  // dgy = R{gy} (n, o). Section 7.5.
  virtual void backward_tangent(Index n, const T* theta, const T* dtheta, const T* x, const T* dx,
                                const T* gy, const T* dgy, T* dgx, T* dgtheta) const = 0;

  // The last three are the parameters' part of backward and backward_tangent without the sum over rows. What
  // they do here, by one pass a row, serves every module; some can do it faster.
  //
  // rows (n, p), every row `stride` after the one before, gets each row's gtheta.
  virtual void gradient_rows(Index n, const T* theta, const T* x, const T* gy, T* rows, Index stride) const;
  // The same for dgtheta, where dtheta is 0.
  virtual void tangent_rows(Index n, const T* theta, const T* x, const T* dx, const T* gy, const T* dgy,
                            T* rows, Index stride) const;
  // squares (p), accumulated: the sum of the squares of each row's gtheta for each of `copies` gy (copies, n,
  // o).
  virtual void add_squared_gradients(Index copies, Index n, const T* theta, const T* x, const T* gy,
                                     T* squares) const;

 private:
  Index n_inputs_, n_outputs_, n_parameters_;
};

inline Index ParameterBlock::size() const {
  Index count = 1;
  for (Index extent : shape) count *= extent;
  return count;
}

}  // namespace ebp

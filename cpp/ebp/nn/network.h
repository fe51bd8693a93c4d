// A chain of modules over one flat parameter vector, with a loss at its end. Modules and losses are constant
// and keep no state, so that several networks may share them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ebp/base/aligned.h"
#include "ebp/nn/loss.h"
#include "ebp/nn/module.h"

namespace ebp {

// One module with its place in the network.
template <class T>
struct Stage {
  std::shared_ptr<const Module<T>> module;
  Index start;      // offset of the module's slice of theta
  bool ends_layer;  // its output is the output of a layer as the user counts them
};

// Index letters: n rows, i inputs, o outputs, p parameters. Arrays are row-major and dense; results are
// overwritten unless "accumulated" is said. The const members may run in any number of threads at a time.
template <class T>
class Network {
 public:
  Network(Index n_inputs, std::shared_ptr<const Loss<T>> loss);

  // Appends a module; its inputs must be as many as the outputs so far. New parameters are 0.
  void add(std::shared_ptr<const Module<T>> module, bool ends_layer);

  Index n_inputs() const { return n_inputs_; }
  Index n_outputs() const { return stages_.empty() ? n_inputs_ : stages_.back().module->n_outputs(); }
  Index n_parameters() const { return Index(theta_.size()); }
  const std::vector<Stage<T>>& stages() const { return stages_; }
  const Loss<T>& loss() const { return *loss_; }
  // theta (p), 64-byte aligned; its address stays the same once training or reading has begun.
  T* parameters() { return theta_.data(); }
  const T* parameters() const { return theta_.data(); }
  // In the order of theta, named "<layer>.<name within the module>", such as "0.weights".
  std::vector<ParameterBlock> parameter_blocks() const;
  // Multiply-adds of one sample's forward pass: a shared parameter takes one for each of its connections.
  Index multiply_adds() const;

  // y (n, o) from x (n, i).
  void forward(Index n, const T* x, T* y) const;
  // outputs[l] (n, width of layer l), one array a layer.
  void activations(Index n, const T* x, const std::vector<T*>& outputs) const;
  // losses (n) from x (n, i) and t (n, o).
  void losses(Index n, const T* x, const T* t, T* losses) const;
  // g (p) = sum over rows of weight times dE/dtheta; weights (n) may be null for 1. Sums are formed in
  // blocks of rows.
  void gradient(Index n, const T* x, const T* t, const T* weights, T* g) const;
  // h (p) = sum over rows of weight times the diagonal second derivatives (54)-(56).
  void curvature(Index n, const T* x, const T* t, const T* weights, T* h) const;
  // j (n, o, p): derivatives of the outputs.
  void jacobian(Index n, const T* x, T* j) const;

 private:
  Index n_inputs_;
  std::shared_ptr<const Loss<T>> loss_;
  std::vector<Stage<T>> stages_;
  AlignedVector<T> theta_;
};

}  // namespace ebp

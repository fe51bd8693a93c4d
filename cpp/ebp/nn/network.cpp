#include "ebp/nn/network.h"

#include <algorithm>
#include <utility>

#include "ebp/nn/batch.h"
#include "ebp/nn/single_forward.h"

namespace ebp {

template <class T>
Network<T>::Network(Index n_inputs, std::shared_ptr<const Loss<T>> loss)
    : n_inputs_(n_inputs), loss_(std::move(loss)) {
  require(n_inputs >= 1, "Network", "the number of inputs must be at least 1", n_inputs);
}

template <class T>
void Network<T>::add(std::shared_ptr<const Module<T>> module, bool ends_layer) {
  require(module->n_inputs() == n_outputs(), "Network", "a module's inputs must be the outputs below it",
          module->n_inputs());
  const Index start = n_parameters();
  theta_.resize(std::size_t(start + module->n_parameters()));
  stages_.push_back({std::move(module), start, ends_layer});
}

template <class T>
std::vector<ParameterBlock> Network<T>::parameter_blocks() const {
  std::vector<ParameterBlock> blocks;
  Index layer = 0;
  for (const auto& stage : stages_) {
    for (ParameterBlock block : stage.module->parameter_blocks()) {
      block.name = std::to_string(layer) + "." + block.name;
      block.start += stage.start;
      blocks.push_back(std::move(block));
    }
    if (stage.ends_layer) ++layer;
  }
  return blocks;
}

template <class T>
Index Network<T>::multiply_adds() const {
  Index sum = 0;
  for (const auto& stage : stages_) sum += stage.module->n_outputs();
  for (const ParameterBlock& block : parameter_blocks()) sum += block.size() * block.shares;
  return sum;
}

template <class T>
void Network<T>::forward(Index n, const T* x, T* y) const {
  Tape<T> tape(*this, largest_block(*this, n + kGroup));
  AlignedVector<T> group;
  for_blocks(*this, n, [&](Index start, Index rows) {
    const T* inputs = x + start * n_inputs();
    const Index padded = (rows + kGroup - 1) / kGroup * kGroup;
    if (padded != rows) {
      group.assign(inputs, inputs + rows * n_inputs());
      group.resize(std::size_t(padded * n_inputs()));
      inputs = group.data();
    }
    const T* outputs = tape.forward(padded, theta_.data(), inputs);
    std::copy_n(outputs, rows * n_outputs(), y + start * n_outputs());
  });
}

template <class T>
void Network<T>::activations(Index n, const T* x, const std::vector<T*>& outputs) const {
  Tape<T> tape(*this, largest_block(*this, n));
  for_blocks(*this, n, [&](Index start, Index rows) {
    tape.forward(rows, theta_.data(), x + start * n_inputs());
    std::size_t layer = 0;
    for (std::size_t s = 0; s < stages_.size(); ++s) {
      if (!stages_[s].ends_layer) continue;
      const Index width = stages_[s].module->n_outputs();
      std::copy_n(tape.output(s), rows * width, outputs[layer++] + start * width);
    }
  });
}

template <class T>
void Network<T>::losses(Index n, const T* x, const T* t, T* losses) const {
  Tape<T> tape(*this, largest_block(*this, n));
  const Index k = n_outputs();
  for_blocks(*this, n, [&](Index start, Index rows) {
    const T* y = tape.forward(rows, theta_.data(), x + start * n_inputs());
    for (Index row = 0; row < rows; ++row)
      losses[start + row] = loss_->value(k, y + row * k, t + (start + row) * k);
  });
}

template <class T>
void Network<T>::gradient(Index n, const T* x, const T* t, const T* weights, T* g) const {
  loss_and_gradient(*this, theta_.data(), {n, x, t, weights}, 1, g);
}

template <class T>
void Network<T>::curvature(Index n, const T* x, const T* t, const T* weights, T* h) const {
  backpropagated_diagonal(*this, theta_.data(), {n, x, t, weights}, 1, h);
}

template <class T>
void Network<T>::jacobian(Index n, const T* x, T* j) const {
  Tape<T> tape(*this, 1);
  const Index k = n_outputs(), p = n_parameters();
  std::fill_n(j, n * k * p, T(0));
  std::vector<T> one_hot(std::size_t(k), T(0));
  for (Index row = 0; row < n; ++row) {
    tape.forward(1, theta_.data(), x + row * n_inputs());
    for (Index output = 0; output < k; ++output) {
      one_hot[std::size_t(output)] = T(1);
      tape.backward(one_hot.data(), j + (row * k + output) * p);
      one_hot[std::size_t(output)] = T(0);
    }
  }
}

template class Network<float>;
template class Network<double>;

}  // namespace ebp

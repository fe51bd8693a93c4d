// Outputs of single rows in memory that is used again.
#pragma once

#include <algorithm>

#include "ebp/nn/tape.h"

namespace ebp {

// Products treat rows in groups; only whole groups make a row's outputs, to the last bit, its own affair.
constexpr Index kGroup = 4;

// Gives the same bits as Network::forward, which for small networks takes most of its time to allocate
// memory. One thread at a time.
template <class T>
class SingleForward {
 public:
  // The network, which has all of its modules, is kept by reference.
  explicit SingleForward(const Network<T>& network)
      : network_(network), tape_(network, kGroup), group_(std::size_t(kGroup * network.n_inputs())) {}

  // y (o) from x (i).
  void operator()(const T* x, T* y) {
    std::copy_n(x, network_.n_inputs(), group_.data());
    std::copy_n(tape_.forward(kGroup, network_.parameters(), group_.data()), network_.n_outputs(), y);
  }

 private:
  const Network<T>& network_;
  Tape<T> tape_;
  AlignedVector<T> group_;  // the row, and rows of zeros
};

}  // namespace ebp

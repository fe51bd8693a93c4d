// Rows of data, loops over blocks of them, and the loss with its gradient over all of them at any point.
#pragma once

#include <algorithm>
#include <utility>

#include "ebp/base/parallel.h"
#include "ebp/nn/tape.h"

namespace ebp {

// n samples: x (n, i), t (n, o), and weights (n), null for 1.
template <class T>
struct Batch {
  Index n;
  const T *x, *t, *weights;

  // `rows` rows from `start` on.
  Batch slice(const Network<T>& network, Index start, Index rows) const {
    return {rows, x + start * network.n_inputs(), t + start * network.n_outputs(),
            weights ? weights + start : nullptr};
  }
};

// Rows of the largest block of n rows.
template <class T>
Index largest_block(const Network<T>& network, Index n) {
  return std::max(Index(1), std::min(n, Tape<T>::block_rows(network)));
}

// Calls body(first row, number of rows) for one block of n rows after the other.
template <class T, class Body>
void for_blocks(const Network<T>& network, Index n, Body&& body) {
  const Index rows = Tape<T>::block_rows(network);
  for (Index start = 0; start < n; start += rows) body(start, std::min(rows, n - start));
}

// A batch cut into blocks of rows.
template <class T>
class Blocks {
 public:
  Blocks(const Network<T>& network, const Batch<T>& batch, Index rows)
      : network_(network), batch_(batch), rows_(rows) {}
  Blocks(const Network<T>& network, const Batch<T>& batch)
      : Blocks(network, batch, largest_block(network, batch.n)) {}

  Index rows() const { return rows_; }  // of the largest block
  Index size() const { return (batch_.n + rows_ - 1) / rows_; }
  Batch<T> operator[](Index b) const {
    return batch_.slice(network_, b * rows_, std::min(rows_, batch_.n - b * rows_));
  }

 private:
  const Network<T>& network_;
  Batch<T> batch_;
  Index rows_;
};

// sum (size), overwritten, is added up by body(thread, its share of n_parts, sum), called once a thread.
// Every thread has a sum of its own, and these are added in the order of the threads: the result depends on
// n_threads by rounding only, and not on timing.
template <class T, class Body>
void parallel_sum(Index n_threads, Index n_parts, Index size, T* sum, Body&& body) {
  n_threads = std::clamp(n_threads, Index(1), std::max(n_parts, Index(1)));
  std::vector<AlignedVector<T>> others(std::size_t(n_threads - 1));
  std::fill_n(sum, size, T(0));
  parallel(n_threads, [&](Index thread) {
    T* to = sum;
    if (thread > 0) {
      others[std::size_t(thread - 1)].resize(std::size_t(size));
      to = others[std::size_t(thread - 1)].data();
    }
    body(thread, Share(n_parts, thread, n_threads), to);
  });
  for (const auto& other : others)
    for (Index k = 0; k < size; ++k) sum[k] += other[std::size_t(k)];
}

// Returns the sum over rows of weight times E at theta (p); g (p), overwritten, gets its gradient.
template <class T>
double loss_and_gradient(const Network<T>& network, const T* theta, const Batch<T>& batch, Index n_threads,
                         T* g);

// h (p), overwritten: the sum over rows of weight times the diagonal second derivatives at theta (p) by the
// recursion (54)-(58), one pass back.
template <class T>
void backpropagated_diagonal(const Network<T>& network, const T* theta, const Batch<T>& batch,
                             Index n_threads, T* h);

}  // namespace ebp

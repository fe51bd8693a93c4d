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

// The same with body(batch).
template <class T, class Body>
void for_blocks(const Network<T>& network, const Batch<T>& batch, Body&& body) {
  for_blocks(network, batch.n, [&](Index start, Index rows) { body(batch.slice(network, start, rows)); });
}

// sum (size), overwritten, is added up by body(thread, share of the rows, sum), once a thread. Every thread
// has a sum of its own, and these are added in the order of the threads: the result depends on n_threads by
// rounding only, and not on timing.
template <class T, class Body>
void sum_over_rows(const Network<T>& network, const Batch<T>& batch, Index n_threads, Index size, T* sum,
                   Body&& body) {
  n_threads = std::clamp(n_threads, Index(1), std::max(batch.n, Index(1)));
  std::vector<AlignedVector<T>> others(std::size_t(n_threads - 1));
  std::fill_n(sum, size, T(0));
  parallel(n_threads, [&](Index thread) {
    T* to = sum;
    if (thread > 0) {
      others[std::size_t(thread - 1)].resize(std::size_t(size));
      to = others[std::size_t(thread - 1)].data();
    }
    const Share rows(batch.n, thread, n_threads);
    body(thread, batch.slice(network, rows.begin, rows.end - rows.begin), to);
  });
  for (const auto& other : others)
    for (Index k = 0; k < size; ++k) sum[k] += other[std::size_t(k)];
}

// Returns the sum over rows of weight times E at theta (p); g (p), overwritten, gets its gradient.
template <class T>
double loss_and_gradient(const Network<T>& network, const T* theta, const Batch<T>& batch, Index n_threads,
                         T* g);

}  // namespace ebp

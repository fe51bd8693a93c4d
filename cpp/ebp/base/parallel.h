// Work shared out among threads.
#pragma once

#include <algorithm>
#include <exception>
#include <thread>
#include <vector>

#include "ebp/base/blas.h"

namespace ebp {

// Calls body(k) for k = 0 ... n_threads - 1, each on a thread of its own, the last on the caller's. With more
// than one thread every product of matrices stays on the thread that asks for it. What a body throws reaches
// the caller when all have ended; of several exceptions, that of the smallest k.
template <class Body>
void parallel(Index n_threads, Body&& body) {
  if (n_threads <= 1) return body(Index(0));
  std::vector<std::exception_ptr> errors{std::size_t(n_threads)};
  const auto guarded = [&](Index k) {
    try {
      const blas::Serial serial;
      body(k);
    } catch (...) {
      errors[std::size_t(k)] = std::current_exception();
    }
  };
  {
    std::vector<std::thread> threads;
    const auto join = [&] {
      for (std::thread& thread : threads) thread.join();
    };
    try {
      for (Index k = 0; k + 1 < n_threads; ++k) threads.emplace_back(guarded, k);
      guarded(n_threads - 1);
    } catch (...) {  // no thread to be had
      join();
      throw;
    }
    join();
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

// The part of n things that is thread k's: [begin, end), in whole steps but for the last one.
struct Share {
  Index begin, end;
  Share(Index n, Index k, Index n_threads, Index step = 1)
      : begin(bound(n, k, n_threads, step)), end(bound(n, k + 1, n_threads, step)) {}
  Share(Index begin, Index end) : begin(begin), end(end) {}
  Index size() const { return end - begin; }

 private:
  static Index bound(Index n, Index k, Index n_threads, Index step) {
    return std::min(n, (n + step - 1) / step * k / n_threads * step);
  }
};

}  // namespace ebp

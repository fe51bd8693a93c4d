// Threads that take parts in the same work, again and again, for microseconds at a time.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "ebp/base/types.h"

namespace ebp {

class Team {
 public:
  // So many threads in all, of which the one that calls `run` is the first.
  explicit Team(int size = 1);
  ~Team();
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  int size() const { return int(workers_.size()) + 1; }

  // Calls body(part) for each part in [0, size), part 0 here and each other one always on the same thread,
  // and returns when all have returned. body must not throw.
  template <class Body>
  void run(const Body& body) {
    if (workers_.empty()) return body(0);
    start(&body, [](const void* work, int part) { (*static_cast<const Body*>(work))(part); });
    body(0);
    await();
  }

 private:
  using Call = void (*)(const void*, int);
  struct Worker;
  void start(const void* work, Call call);
  void await();
  void serve(Worker& worker, int part);

  std::vector<std::unique_ptr<Worker>> workers_;
  const void* work_ = nullptr;
  Call call_ = nullptr;                         // null when the threads are to end
  alignas(64) std::atomic<unsigned> round_{0};  // of work
};

// Elements [first, last) of n.
struct Range {
  Index first, last;
  Index size() const { return last - first; }
};

// The part's share of n elements, in whole steps but for the last one.
inline Range share_of(Index n, int part, int parts, Index step) {
  const Index steps = (n + step - 1) / step;
  const auto bound = [&](Index k) { return std::min(n, steps * k / parts * step); };
  return {bound(part), bound(part + 1)};
}

}  // namespace ebp

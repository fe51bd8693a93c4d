// Threads that take parts in the same work, again and again, for microseconds at a time.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "ebp/base/parallel.h"

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
  // and returns when all have returned. body must not throw. On the team's own threads products of matrices
  // stay where they are asked for, and denormal numbers are zero: the caller sees to the same for its own.
  template <class Body>
  void run(const Body& body) {
    if (workers_.empty()) return body(0);
    start(&body, [](const void* work, int part) { (*static_cast<const Body*>(work))(part); });
    body(0);
    await();
  }

  // The same with body(share, part): every part's share of n things, in whole steps.
  template <class Body>
  void share(Index n, Index step, const Body& body) {
    run([&, this](int part) { body(Share(n, part, size(), step), part); });
  }

  // Calls body(share, part) for n things, `step` at a time, of which every part takes the next as soon as it
  // is free, so that a slow processor does less; alone for all at once. The shares are always the same, the
  // parts that treat them are not.
  template <class Body>
  void deal(Index n, Index step, const Body& body) {
    if (workers_.empty()) return body(Share(0, n), 0);
    dealt_.store(0, std::memory_order_relaxed);
    run([&, this](int part) {
      for (Index k; (k = dealt_.fetch_add(step, std::memory_order_relaxed)) < n;)
        body(Share(k, std::min(n, k + step)), part);
    });
  }

 private:
  using Call = void (*)(const void*, int);
  struct Worker;
  void stop();
  void start(const void* work, Call call);
  void await();
  void serve(Worker& worker, int part);

  // In one line of the caches, which is all that goes from core to core when a round begins.
  struct alignas(64) Order {
    std::atomic<unsigned> round{0};
    Call call = nullptr;  // null when the threads are to end
    const void* work = nullptr;
  };

  std::vector<std::unique_ptr<Worker>> workers_;
  Order order_;
  alignas(64) std::atomic<Index> dealt_{0};
};

// A team for work that is worth sharing; otherwise the thread that asks does it alone.
class Helpers {
 public:
  void use(Team& team, bool worth) { team_ = worth && team.size() > 1 ? &team : nullptr; }
  int size() const { return team_ ? team_->size() : 1; }

  // As the calls of Team.
  template <class Body>
  void run(const Body& body) const {
    if (!team_) return body(0);
    team_->run(body);
  }
  template <class Body>
  void share(Index n, Index step, const Body& body) const {
    if (!team_) return body(Share(n, 0, 1), 0);
    team_->share(n, step, body);
  }

 private:
  Team* team_ = nullptr;
};

}  // namespace ebp

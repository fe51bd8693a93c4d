// Threads that take parts in the same work, again and again, for microseconds at a time.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
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
    start_others(body);
    body(0);
    join();
  }

  // The same with body(share, part): every part's share of n things, in whole steps.
  template <class Body>
  void share(Index n, Index step, const Body& body) {
    run([&, this](int part) { body(Share(n, part, size(), step), part); });
  }

  // Calls body(share, part) for n things, `step` at a time. Every part begins at the front of its own share
  // of them, so that it finds in its caches what it left there the last time, and takes from the backs of
  // others' when it has done its own, so that a slow processor does less. The shares are always the same, the
  // parts that treat them are not.
  template <class Body>
  void deal(Index n, Index step, const Body& body) {
    const auto call = [&](Index k, int part) { body(Share(k * step, std::min(n, (k + 1) * step)), part); };
    const Index steps = (n + step - 1) / step;
    if (workers_.empty()) {
      for (Index k = 0; k < steps; ++k) call(k, 0);
      return;
    }
    for (int part = 0; part < size(); ++part) left_[std::size_t(part)].fill(Share(steps, part, size()));
    run([&, this](int part) {
      Index k;
      while ((k = left_[std::size_t(part)].take_first()) >= 0) call(k, part);
      for (int other = part + 1; other < part + size(); ++other)
        while ((k = left_[std::size_t(other % size())].take_last()) >= 0) call(k, part);
    });
  }

  // Starts body(part) for all parts but 0 and returns; body must live, and nothing else be called, until
  // `join` has waited for them.
  template <class Body>
  void start_others(const Body& body) {
    start(&body, [](const void* work, int part) { (*static_cast<const Body*>(work))(part); });
  }
  template <class Body>
  void start_others(const Body&&) = delete;
  void join();

 private:
  using Call = void (*)(const void*, int);
  struct Worker;
  void stop();
  void start(const void* work, Call call);
  void serve(Worker& worker, int part);

  // In one line of the caches, which is all that goes from core to core when a round begins.
  struct alignas(64) Order {
    std::atomic<unsigned> round{0};
    Call call = nullptr;  // null when the threads are to end
    const void* work = nullptr;
  };

  // What is left of a part's share: [first, last), both in one word.
  class alignas(64) Left {
   public:
    void fill(const Share& share) { ends_.store(word(share.begin, share.end), std::memory_order_relaxed); }
    // One of them; -1 if none is left.
    Index take_first() {
      return take([](Index& first, Index&) { return first++; });
    }
    Index take_last() {
      return take([](Index&, Index& last) { return --last; });
    }

   private:
    static std::uint64_t word(Index first, Index last) {
      return std::uint64_t(first) << 32 | std::uint64_t(last);
    }
    template <class Taken>
    Index take(const Taken& taken) {
      std::uint64_t ends = ends_.load(std::memory_order_relaxed), after;
      Index k;
      do {
        Index first = Index(ends >> 32), last = Index(ends & 0xffffffff);
        if (first == last) return -1;
        k = taken(first, last);
        after = word(first, last);
      } while (!ends_.compare_exchange_weak(ends, after, std::memory_order_relaxed));
      return k;
    }

    std::atomic<std::uint64_t> ends_{0};
  };

  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<Left> left_;  // of each part
  Order order_;
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

// A network that several Python threads may use: reads run in parallel, training is exclusive.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <thread>
#include <utility>

#include "bindings/arrays.h"
#include "ebp/nn/batch.h"
#include "ebp/nn/single_forward.h"

namespace ebp::bindings {

// Multiply-adds of a forward pass, below which letting the GIL go for one sample and taking it back costs a
// good part of what the sample takes, while other threads would wait for a few microseconds only.
constexpr Index kBrief = 10'000;

template <class T>
class GuardedNetwork {
 public:
  explicit GuardedNetwork(std::unique_ptr<Network<T>> network)
      : network_(std::move(network)), is_brief_(network_->multiply_adds() < kBrief) {}

  // Whether one sample takes so little time that the GIL is kept.
  bool is_brief() const { return is_brief_; }

  // Without a lock: for what never changes, and for the view of the parameters.
  Network<T>& network() { return *network_; }

  // Runs body(const Network&) without the GIL. The thread that trains may read, as its callback does.
  template <class Body>
  void read(Body&& body) {
    py::gil_scoped_release release;
    if (trains_here()) {
      body(std::as_const(*network_));
      return;
    }
    std::unique_lock turn(turnstile_);
    std::shared_lock lock(mutex_);
    turn.unlock();
    body(std::as_const(*network_));
  }

  // y (o), the outputs for x (i): with the GIL, which keeps other threads from `single_`, if the network is
  // brief and nobody has to be waited for.
  void predict_one(const T* x, T* y) {
    if (is_brief_ && !trains_here()) {
      std::unique_lock turn(turnstile_, std::try_to_lock);
      std::shared_lock lock(mutex_, std::defer_lock);
      if (turn && lock.try_lock()) {
        turn.unlock();
        if (!single_) single_.emplace(*network_);
        (*single_)(x, y);
        return;
      }
    }
    read([&](const Network<T>& network) { network.forward(1, x, y); });
  }

  // Whether this thread is training the network now: the code that runs is its callback.
  bool trains_here() const { return trainer_.load() == std::this_thread::get_id(); }

  // The right to train, held while it lives. It waits for its turn without the GIL, since the holder may need
  // the GIL to finish.
  class Exclusive {
   public:
    explicit Exclusive(GuardedNetwork& guarded, const char* function)
        : guarded_(guarded), lock_(guarded.mutex_, std::defer_lock) {
      require(!guarded.trains_here(), function,
              "a network may not be trained by the callback of its own training", "a nested call");
      if (!lock_.try_lock()) {
        py::gil_scoped_release release;
        const std::lock_guard turn(guarded.turnstile_);
        lock_.lock();
      }
      guarded_.trainer_.store(std::this_thread::get_id());
    }
    ~Exclusive() { guarded_.trainer_.store(std::thread::id()); }
    Exclusive(const Exclusive&) = delete;
    Exclusive& operator=(const Exclusive&) = delete;

   private:
    GuardedNetwork& guarded_;
    std::unique_lock<std::shared_mutex> lock_;
  };

 private:
  std::unique_ptr<Network<T>> network_;
  const bool is_brief_;
  std::optional<SingleForward<T>> single_;  // made when it is first asked for
  std::shared_mutex mutex_;
  std::mutex turnstile_;  // passed on the way to the lock, so that readers cannot keep a trainer out for ever
  std::atomic<std::thread::id> trainer_{};
};

// Rows x, targets t, and weights or None, checked against the network.
template <class T>
Batch<T> batch_of(GuardedNetwork<T>& guarded, const Array<T>& x, const Array<T>& t,
                  const std::optional<Array<T>>& weights, const char* function) {
  const Index n = require_rows(x, -1, guarded.network().n_inputs(), function, "X");
  require_rows(t, n, guarded.network().n_outputs(), function, "T");
  if (weights) require_size(*weights, n, function, "sample_weight");
  return {n, x.data(), t.data(), weights ? weights->data() : nullptr};
}

}  // namespace ebp::bindings

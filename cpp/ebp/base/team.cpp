#include "ebp/base/team.h"

#include "ebp/base/denormals.h"

namespace ebp {
namespace {

// Turns of a wait, some tens of microseconds: longer than the work between two rounds, so that threads seldom
// fall asleep in a training, and short enough to leave the processor to others soon after.
constexpr int kTurns = 2000;

inline void rest_a_moment() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

struct alignas(64) Team::Worker {
  std::atomic<unsigned> done{0};  // the last round it has finished
  std::thread thread;
};

Team::Team(int size) : left_(std::size_t(std::max(size, 1))) {
  try {
    for (int part = 1; part < size; ++part) {
      workers_.push_back(std::make_unique<Worker>());
      Worker& worker = *workers_.back();
      worker.thread = std::thread([this, &worker, part] { serve(worker, part); });
    }
  } catch (...) {  // no thread to be had
    stop();
    throw;
  }
}

Team::~Team() { stop(); }

void Team::stop() {
  join();
  start(nullptr, nullptr);
  for (auto& worker : workers_)
    if (worker->thread.joinable()) worker->thread.join();
}

void Team::start(const void* work, Call call) {
  order_.work = work;
  order_.call = call;
  order_.round.fetch_add(1, std::memory_order_release);
  order_.round.notify_all();
}

void Team::join() {
  const unsigned round = order_.round.load(std::memory_order_relaxed);
  for (auto& worker : workers_) {
    for (int turn = 0; worker->done.load(std::memory_order_acquire) != round; ++turn) {
      // Where there are fewer processors than threads, somebody may wait for this one.
      if (turn < kTurns)
        rest_a_moment();
      else
        std::this_thread::yield();
    }
  }
}

void Team::serve(Worker& worker, int part) {
  const blas::Serial serial;
  const FlushDenormals flush;
  for (unsigned seen = 0;;) {
    for (int turn = 0; turn < kTurns && order_.round.load(std::memory_order_acquire) == seen; ++turn)
      rest_a_moment();
    order_.round.wait(seen, std::memory_order_acquire);
    if (!order_.call) return;
    ++seen;
    order_.call(order_.work, part);
    worker.done.store(seen, std::memory_order_release);
  }
}

}  // namespace ebp

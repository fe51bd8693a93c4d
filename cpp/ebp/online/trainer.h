// Online and mini-batch training of one network by one rule.
#pragma once

#include <functional>
#include <limits>
#include <memory>

#include "ebp/nn/tape.h"
#include "ebp/online/engine.h"
#include "ebp/online/feed.h"
#include "ebp/online/rule_state.h"

namespace ebp {

enum class Status {
  kOk,        // every presentation was made
  kDiverged,  // a loss or a parameter was not finite; the last good parameters are back in place
  kStopped,   // the progress function asked to stop
};

inline const char* name_of(Status status) {
  switch (status) {
    case Status::kOk:
      return "ok";
    case Status::kDiverged:
      return "diverged";
    default:
      return "stopped";
  }
}

// Called often, and within long steps too, so that an interrupt can be served by throwing; what throws leaves
// finite parameters.
using Pulse = std::function<void()>;

// Called now and then with the number of presentations made and the mean of their losses; returns false to
// stop. It may throw: the parameters are then those after the presentations made.
using Progress = std::function<bool(Index done, double mean_loss)>;

struct Outcome {
  Status status;
  Index n_samples;  // presentations made
};

// Presentations of the updates of one call: sizes[0], sizes[1], ..., which add up to all of them, or `size`
// each if `sizes` is null.
struct Batches {
  Index size = 1;
  const Index* sizes = nullptr;
};

template <class T>
class Trainer {
 public:
  // The network is kept by reference.
  Trainer(Network<T>& network, const RuleOptions& options);

  // The engine that a call of train with this one uses for updates by single samples.
  EngineKind chosen(EngineKind kind) const;

  // epsilon from now on
  void set_learning_rate(double learning_rate) { state_.set_learning_rate(learning_rate); }

  // Presents samples order[0 .. n) and updates after every batch of them, by the mean of their gradients.
  // losses (n) gets each presentation's weighted loss before the update. The rule's curvature is measured
  // first where it asks for that. `n_threads` share the work of updates by single samples. rates (n), which
  // may be null, are values of epsilon, of which an update takes that of its first presentation. `progress`
  // and `pulse` may be empty; `progress` may set the learning rate.
  Outcome train(const Samples<T>& samples, const Index* order, Index n, const Batches& batches,
                const double* rates, double* losses, const Progress& progress, const Pulse& pulse,
                EngineKind kind = EngineKind::kAuto, int n_threads = 1);

  // Presents one sample, x (i) and t (o), and returns its loss before the update. If the loss or what would
  // be learnt is not finite, or the loss above the largest allowed, nothing is learnt. SDLM's curvature
  // follows its running average (62).
  T learn_one(const T* x, const T* t, double largest_loss = std::numeric_limits<double>::infinity());

  // The rule's state, brought up to date.
  RuleState<T>& state();
  // Goes on where another trainer was; see RuleState::resume.
  void resume(const typename RuleState<T>::Memo& memo) {
    state_.resume(memo);
    stale_ = true;
  }

 private:
  struct Run;  // one call of train
  struct EndOfRun;
  void measure_means(Run& run, Index count);
  void measure_curvature(Run& run);
  // Whether h has been measured, if need be from this sample; false if it is not finite.
  bool begin_running(const T* x, const T* t);
  void activate(bool running, bool blocked, Team& team);
  void prepare_block(Run& run, Index start);
  void load_block(Run& run);
  Outcome present_all(Run& run, const Progress& progress);
  bool present_some(Run& run, Index end);
  bool present_singly(Run& run, Index end);
  bool present_batches(Run& run, Index end);
  void learn_batch(Run& run, Index rows);
  void begin_update(const Run& run);
  void restore(const AlignedVector<T>& parameters);
  bool finite() const;

  Network<T>& network_;
  RuleState<T> state_;
  std::unique_ptr<OnlineEngine<T>> engine_;  // made for the first call that needs one
  bool stale_ = true;                        // the engine has not seen the state as it is
  Team alone_;
  bool unbounded_ = false;  // slopes may be of any size, as those of narrow bumps
};

}  // namespace ebp

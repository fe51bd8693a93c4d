#include "ebp/online/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ebp/base/blas.h"

namespace ebp {
namespace {

// Presentations between two looks at the world: a few milliseconds of work, whatever the network's size, so
// that an interrupt is served soon and looking costs nothing.
Index chunk_size(Index n_parameters, Index batch_size) {
  const Index samples = std::clamp<Index>(64'000'000 / std::max<Index>(n_parameters, 1), 1, 16384);
  return (samples + batch_size - 1) / batch_size * batch_size;
}

// Presentations between two copies of good parameters: so many that copying does not count.
constexpr Index kCheckpoint = 4096;

// Beyond such losses or inputs one step may overflow; learn_one then checks what it did.
constexpr double kSuspicious = 1e6;

}  // namespace

const char* name_of(Status status) {
  switch (status) {
    case Status::kOk:
      return "ok";
    case Status::kDiverged:
      return "diverged";
    default:
      return "stopped";
  }
}

template <class T>
struct Trainer<T>::Run {
  Run(const Network<T>& network, const Samples<T>& samples, const Index* order, Index n, Index batch_size,
      double* losses)
      : samples(samples),
        feed(samples, network.n_inputs()),
        order(order),
        n(n),
        batch_size(batch_size),
        losses(losses) {}

  const Samples<T>& samples;
  Feed<T> feed;
  const Index* order;
  Index n, batch_size;
  double* losses;
  Index done = 0;

  // For mini-batches and for measuring curvature: a block of rows and sums over them.
  std::unique_ptr<Tape<T>> tape;
  AlignedVector<T> x, t, weights, row_losses, gradient, curvature;

  void make_blocks(const Network<T>& network) {
    if (tape) return;
    const Index rows = Tape<T>::kRows;
    tape = std::make_unique<Tape<T>>(network, rows);
    x.resize(std::size_t(rows * network.n_inputs()));
    t.resize(std::size_t(rows * network.n_outputs()));
    weights.resize(std::size_t(rows));
    row_losses.resize(std::size_t(rows));
    gradient.resize(std::size_t(network.n_parameters()));
    curvature.resize(std::size_t(network.n_parameters()));
  }

  // Fills the block with the presentations [start, start + rows).
  void gather(Index start, Index rows, Index n_outputs) {
    feed.gather(rows, order + start, x.data());
    for (Index row = 0; row < rows; ++row) {
      const Index sample = order[start + row];
      std::copy_n(samples.t + sample * n_outputs, n_outputs, t.data() + row * n_outputs);
      weights[std::size_t(row)] = samples.weights ? samples.weights[sample] : T(1);
    }
  }
};

template <class T>
Trainer<T>::Trainer(Network<T>& network, const RuleOptions& options)
    : network_(network), state_(network, options) {}

template <class T>
void Trainer<T>::set_learning_rate(double learning_rate) {
  if (learning_rate == state_.options.learning_rate) return;
  state_.options.learning_rate = learning_rate;
  stale_ = true;
}

template <class T>
const RuleState<T>& Trainer<T>::state() {
  if (engine_ && !stale_) engine_->publish();
  state_.refresh_rates();
  return state_;
}

// The engine's own curvature is given back before anything is changed under it.
template <class T>
void Trainer<T>::activate(bool running) {
  if (!engine_ || engine_->running() != running) {
    if (engine_ && !stale_) engine_->publish();
    engine_ = std::make_unique<StreamingEngine<T>>(network_, state_, running);
    stale_ = true;
  }
  if (!stale_) return;
  state_.refresh_rates();
  engine_->begin();
  stale_ = false;
}

template <class T>
void Trainer<T>::measure_curvature(Run& run) {
  const Index count = std::min(state_.options.sdlm()->hessian_samples, run.n);
  run.make_blocks(network_);
  std::fill(run.curvature.begin(), run.curvature.end(), T(0));
  for (Index start = 0; start < count; start += Tape<T>::kRows) {
    const Index rows = std::min(Tape<T>::kRows, count - start);
    run.gather(start, rows, network_.n_outputs());
    run.tape->add_curvature(rows, network_.parameters(), run.x.data(), run.t.data(), run.weights.data(),
                            run.curvature.data());
  }
  state_.set_curvature(run.curvature.data(), std::max<Index>(count, 1));
  stale_ = true;
}

// Presents up to `end`; false if a loss was not finite.
template <class T>
bool Trainer<T>::present(Run& run, Index end) {
  const Index k = network_.n_outputs();
  while (run.done < end) {
    const Index sample = run.order[run.done];
    if (run.done + 1 < run.n) run.feed.prefetch(run.order[run.done + 1]);
    const T weight = run.samples.weights ? run.samples.weights[sample] : T(1);
    const T* t = run.samples.t + sample * k;
    const T loss = engine_->assess(run.feed.row(sample), t, weight);
    run.losses[run.done++] = double(loss);
    if (!std::isfinite(loss)) return false;
    engine_->learn(t, weight);
  }
  engine_->finish();
  return true;
}

// The same in mini-batches; the last one may be smaller.
template <class T>
bool Trainer<T>::present_batches(Run& run, Index end) {
  while (run.done < end) {
    const Index start = run.done;
    learn_batch(run, std::min(run.batch_size, end - start));
    for (Index k = start; k < run.done; ++k)
      if (!std::isfinite(run.losses[k])) return false;
  }
  return true;
}

template <class T>
void Trainer<T>::learn_batch(Run& run, Index rows) {
  const bool running = state_.options.running();
  std::fill(run.gradient.begin(), run.gradient.end(), T(0));
  if (running) std::fill(run.curvature.begin(), run.curvature.end(), T(0));
  const T* theta = network_.parameters();
  const Index end = run.done + rows;
  while (run.done < end) {
    const Index count = std::min(Tape<T>::kRows, end - run.done);
    run.gather(run.done, count, network_.n_outputs());
    run.tape->add_gradient(count, theta, run.x.data(), run.t.data(), run.weights.data(), run.gradient.data(),
                           run.row_losses.data());
    if (running)
      run.tape->add_curvature(count, theta, run.x.data(), run.t.data(), run.weights.data(),
                              run.curvature.data());
    std::copy_n(run.row_losses.data(), count, run.losses + run.done);
    run.done += count;
  }
  for (T& value : run.gradient) value /= T(rows);
  if (running) {
    state_.average_curvature(run.curvature.data(), rows);
    state_.refresh_rates();
  }
  state_.apply(run.gradient.data(), network_.parameters());
}

template <class T>
bool Trainer<T>::finite() const {
  return simd::all_finite(network_.parameters(), network_.n_parameters()) && state_.finite();
}

template <class T>
void Trainer<T>::restore(const AlignedVector<T>& parameters) {
  if (engine_) engine_->discard();
  std::copy(parameters.begin(), parameters.end(), network_.parameters());
  state_.reset();
  stale_ = true;
}

template <class T>
Outcome Trainer<T>::train(const Samples<T>& samples, const Index* order, Index n, Index batch_size,
                          double* losses, const Progress& progress) {
  const blas::Serial serial;
  Run run(network_, samples, order, n, batch_size, losses);
  const bool running = state_.options.running();
  state();
  if (state_.options.sdlm() && !(running && state_.measured)) measure_curvature(run);
  if (batch_size > 1) {
    run.make_blocks(network_);
    state_.refresh_rates();
    stale_ = true;
  } else {
    activate(running);
  }

  AlignedVector<T> good(network_.parameters(), network_.parameters() + network_.n_parameters());
  const Index chunk = chunk_size(network_.n_parameters(), batch_size);
  Index checked = 0;
  double sum = 0;
  while (run.done < n) {
    const Index start = run.done, end = std::min(n, start + chunk);
    bool fine = batch_size > 1 ? present_batches(run, end) : present(run, end);
    if (fine && (end == n || end - checked >= kCheckpoint)) {
      fine = finite();
      if (fine) std::copy_n(network_.parameters(), network_.n_parameters(), good.data());
      checked = end;
    }
    if (!fine) {
      restore(good);
      return {Status::kDiverged, run.done};
    }
    sum = std::accumulate(losses + start, losses + end, sum);
    if (progress) {
      bool go_on = false;
      try {
        go_on = progress(run.done, sum / double(run.done));
      } catch (...) {
        if (!finite()) restore(good);
        throw;
      }
      if (!go_on) return {Status::kStopped, run.done};
    }
  }
  return {Status::kOk, run.done};
}

template <class T>
T Trainer<T>::learn_one(const T* x, const T* t) {
  const blas::Serial serial;
  if (state_.options.sdlm() && !state_.measured) {
    AlignedVector<T> h(std::size_t(network_.n_parameters()));
    Tape<T>(network_, 1).add_curvature(1, network_.parameters(), x, t, nullptr, h.data());
    state_.set_curvature(h.data(), 1);
    stale_ = true;
  }
  activate(state_.options.sdlm() != nullptr);
  T size = 0;
  for (Index k = 0; k < network_.n_inputs(); ++k) size += std::abs(x[k]);
  const T loss = engine_->assess(x, t, T(1));
  if (!std::isfinite(loss)) return loss;
  const bool suspicious = !(size < T(kSuspicious)) || loss > T(kSuspicious);
  AlignedVector<T> good;
  if (suspicious) good.assign(network_.parameters(), network_.parameters() + network_.n_parameters());
  engine_->learn(t, T(1));
  engine_->finish();
  if (suspicious && !finite()) restore(good);
  return loss;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace ebp

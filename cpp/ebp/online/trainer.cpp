#include "ebp/online/trainer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ebp/base/blas.h"
#include "ebp/base/denormals.h"
#include "ebp/nn/rbf.h"

namespace ebp {
namespace {

// Presentations between two looks at the world: a few milliseconds of work, whatever the network's size, so
// that an interrupt is served soon and looking costs nothing. `work` is the number of multiply-adds a pass
// takes.
Index chunk_size(Index work) { return std::clamp<Index>(64'000'000 / work, 1, 16384); }

// Presentations between two copies of good parameters: so many that copying does not count.
constexpr Index kCheckpoint = 4096;

// Beyond such losses, inputs or rates one step may overflow; learn_one then checks what it did.
constexpr double kSuspicious = 1e6;

}  // namespace

// What is left of a block at the end of a run, however it ends, does not belong to the next one.
template <class T>
struct Trainer<T>::EndOfRun {
  std::unique_ptr<OnlineEngine<T>>& engine;
  ~EndOfRun() {
    if (engine) engine->discard();
  }
};

template <class T>
struct Trainer<T>::Run {
  Run(const Network<T>& network, const Samples<T>& samples, const Index* order, Index n,
      const Batches& batches, const double* rates, double* losses, bool blocked, Team& team,
      const Pulse& pulse)
      : samples(samples),
        feed(samples, network.n_inputs()),
        order(order),
        n(n),
        batches(batches),
        rates(rates),
        losses(losses),
        blocked(blocked),
        team(team),
        pulse(pulse) {}

  const Samples<T>& samples;
  Feed<T> feed;
  const Index* order;
  Index n;
  const Batches& batches;
  const double* rates;
  double* losses;
  bool blocked;
  Team& team;
  const Pulse& pulse;
  Index done = 0;
  Index updates = 0;

  // Presentations of the next update, and of any; the last one may find fewer.
  Index batch_size() const { return batch_size(updates); }
  Index batch_size(Index update) const { return batches.sizes ? batches.sizes[update] : batches.size; }

  // Multiply-adds of one sample's way through the transform and the network.
  Index work(const Network<T>& network) const {
    const Index rotation = samples.transform.is_matrix ? samples.n_features * network.n_inputs() : 0;
    return rotation + network.multiply_adds();
  }

  // For mini-batches and for measuring curvature: a block of rows and sums over them.
  std::unique_ptr<Tape<T>> tape;
  Index rows = 0;  // of a block
  AlignedVector<T> x, t, weights, row_losses, gradient, curvature;

  void make_blocks(const Network<T>& network, const RuleState<T>& state) {
    if (tape) return;
    rows = Tape<T>::block_rows(network);
    tape = std::make_unique<Tape<T>>(network, rows);
    std::vector<const T*> means(network.stages().size());
    for (const Centred<T>& layer : state.centred) {
      means[layer.stage] = layer.mean.data();
      input_sums.emplace_back(layer.mean.size());
    }
    tape->centre(std::move(means));
    x.resize(std::size_t(rows * network.n_inputs()));
    t.resize(std::size_t(rows * network.n_outputs()));
    weights.resize(std::size_t(rows));
    row_losses.resize(std::size_t(rows));
    gradient.resize(std::size_t(network.n_parameters()));
    curvature.resize(std::size_t(network.n_parameters()));
  }

  // Sums of the inputs of each centred layer over presentations.
  std::vector<AlignedVector<T>> input_sums;

  void add_inputs(const RuleState<T>& state, Index rows) {
    for (std::size_t k = 0; k < state.centred.size(); ++k) {
      const T* x = tape->output(state.centred[k].stage - 1);
      for (Index row = 0; row < rows; ++row)
        for (T& total : input_sums[k]) total += *x++;
    }
  }
  // Lets the layers' means follow those of the last `rows` presentations.
  void move_means(RuleState<T>& state, Index rows, T leak) {
    for (std::size_t k = 0; k < state.centred.size(); ++k) {
      for (T& total : input_sums[k]) total /= T(rows);
      state.centred[k].follow(input_sums[k].data(), leak);
      std::fill(input_sums[k].begin(), input_sums[k].end(), T(0));
    }
  }

  // Fills the block with the presentations [start, start + rows).
  void gather(Index start, Index rows, Index n_outputs) {
    if (pulse) pulse();
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
    : network_(network), state_(network, options) {
  for (const auto& stage : network.stages())
    unbounded_ = unbounded_ || dynamic_cast<const GaussianRBF<T>*>(stage.module.get());
}

template <class T>
EngineKind Trainer<T>::chosen(EngineKind kind) const {
  return OnlineEngine<T>::chosen(kind, network_, state_.options);
}

template <class T>
RuleState<T>& Trainer<T>::state() {
  if (engine_ && !stale_) engine_->publish();
  state_.refresh_factors();
  return state_;
}

// The engine's own curvature is given back before anything is changed under it.
template <class T>
void Trainer<T>::activate(bool running, bool blocked, Team& team) {
  if (!engine_ || engine_->running() != running || engine_->blocked() != blocked) {
    if (engine_ && !stale_) engine_->publish();
    engine_ = std::make_unique<OnlineEngine<T>>(network_, state_, running, blocked);
    stale_ = true;
  }
  engine_->use(team);
  if (!stale_) return;
  state_.refresh_factors();
  engine_->begin();
  stale_ = false;
}

// The curvature belongs to centred inputs, so that the means must be known before it.
template <class T>
void Trainer<T>::measure_means(Run& run, Index count) {
  if (state_.centred.empty() || state_.centres_known || count == 0) return;
  for (Index start = 0; start < count; start += run.rows) {
    const Index rows = std::min(run.rows, count - start);
    run.gather(start, rows, network_.n_outputs());
    run.tape->forward(rows, network_.parameters(), run.x.data());
    run.add_inputs(state_, rows);
  }
  run.move_means(state_, count, T(1));
  state_.centres_known = true;
}

template <class T>
void Trainer<T>::measure_curvature(Run& run) {
  const Index count = std::min(state_.options.sdlm()->hessian_samples, run.n);
  run.make_blocks(network_, state_);
  measure_means(run, count);
  std::fill(run.curvature.begin(), run.curvature.end(), T(0));
  for (Index start = 0; start < count; start += run.rows) {
    const Index rows = std::min(run.rows, count - start);
    run.gather(start, rows, network_.n_outputs());
    run.tape->add_curvature(rows, network_.parameters(), run.x.data(), run.t.data(), run.weights.data(),
                            run.curvature.data());
  }
  for (T& value : run.curvature) value /= T(std::max<Index>(count, 1));
  state_.set_curvature(run.curvature.data());
  stale_ = true;
}

// The block of the samples from `start` on, up to the first batch, if there are any.
template <class T>
void Trainer<T>::prepare_block(Run& run, Index start) {
  const Index most = std::min(run.n - start, engine_->blocks()->block_rows());
  const Index update = run.updates + (start - run.done);
  Index rows = 0;
  while (rows < most && run.batch_size(update + rows) == 1) ++rows;
  if (rows > 0) engine_->prepare(run.feed, run.order + start, rows);
}

template <class T>
void Trainer<T>::load_block(Run& run) {
  BlockLayer<T>& layer = *engine_->blocks();
  if (layer.prepared() == 0) prepare_block(run, run.done);
  layer.load();
  if (layer.works_ahead()) prepare_block(run, run.done + layer.remaining());
}

template <class T>
void Trainer<T>::begin_update(const Run& run) {
  if (run.rates) state_.set_learning_rate(run.rates[run.done]);
  state_.begin_update();
}

// Presents up to `end`, or up to the first batch; false if a loss was not finite.
template <class T>
bool Trainer<T>::present_singly(Run& run, Index end) {
  const Index k = network_.n_outputs();
  for (; run.done < end && run.batch_size() == 1; ++run.done, ++run.updates) {
    const Index sample = run.order[run.done];
    if (run.blocked && engine_->blocks()->remaining() == 0) load_block(run);
    if (!run.blocked && run.done + 1 < run.n) run.feed.prefetch(run.order[run.done + 1]);
    const T weight = run.samples.weights ? run.samples.weights[sample] : T(1);
    const T *t = run.samples.t + sample * k, *x = run.blocked ? nullptr : run.feed.row(sample);
    const T loss = engine_->assess(x, t, weight);
    run.losses[run.done] = double(loss);
    if (!std::isfinite(loss)) {
      ++run.done;
      return false;
    }
    begin_update(run);
    engine_->learn(t, weight);
    state_.end_update();
  }
  engine_->finish();
  return true;
}

// Presents batches until `end` has been reached or single samples follow; false if a loss was not finite.
template <class T>
bool Trainer<T>::present_batches(Run& run, Index end) {
  while (run.done < end && run.batch_size() > 1) {
    const Index start = run.done;
    learn_batch(run, std::min(run.batch_size(), run.n - start));
    for (Index k = start; k < run.done; ++k)
      if (!std::isfinite(run.losses[k])) return false;
  }
  return true;
}

template <class T>
void Trainer<T>::learn_batch(Run& run, Index rows) {
  const bool running = state_.options.running();
  begin_update(run);
  std::fill(run.gradient.begin(), run.gradient.end(), T(0));
  if (running) std::fill(run.curvature.begin(), run.curvature.end(), T(0));
  const T* theta = network_.parameters();
  const Index end = run.done + rows;
  while (run.done < end) {
    const Index count = std::min(run.rows, end - run.done);
    run.gather(run.done, count, network_.n_outputs());
    run.tape->add_gradient(count, theta, run.x.data(), run.t.data(), run.weights.data(), run.gradient.data(),
                           run.row_losses.data());
    if (running)
      run.tape->add_curvature(count, theta, run.x.data(), run.t.data(), run.weights.data(),
                              run.curvature.data());
    run.add_inputs(state_, count);
    std::copy_n(run.row_losses.data(), count, run.losses + run.done);
    run.done += count;
  }
  ++run.updates;
  for (T& value : run.gradient) value /= T(rows);
  if (running) {
    for (T& value : run.curvature) value /= T(rows);
    state_.average_curvature(state_.whole(), run.curvature.data());
    state_.refresh_factors();
  }
  state_.apply(state_.whole(), run.gradient.data(), network_.parameters());
  run.move_means(state_, rows, T(1 - std::pow(1 - state_.options.centring_leak, double(rows))));
  state_.end_update();
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

// At least one update; false if it went wrong.
template <class T>
bool Trainer<T>::present_some(Run& run, Index end) {
  const FlushDenormals flush;
  if (run.batch_size() == 1) {
    activate(state_.options.running(), run.blocked, run.team);
    return present_singly(run, end);
  }
  run.make_blocks(network_, state_);
  if (engine_ && !stale_) engine_->publish();
  stale_ = true;
  state_.refresh_factors();
  return present_batches(run, end);
}

template <class T>
Outcome Trainer<T>::present_all(Run& run, const Progress& progress) {
  const Index chunk = chunk_size(run.work(network_));
  AlignedVector<T> good(network_.parameters(), network_.parameters() + network_.n_parameters());
  Index checked = 0;
  double sum = 0;
  try {
    while (run.done < run.n) {
      const Index start = run.done;
      bool fine = present_some(run, std::min(run.n, start + chunk));
      if (fine && (run.done == run.n || run.done - checked >= kCheckpoint)) {
        fine = finite();
        if (fine) std::copy_n(network_.parameters(), network_.n_parameters(), good.data());
        checked = run.done;
      }
      if (!fine) {
        restore(good);
        return {Status::kDiverged, run.done};
      }
      sum = std::accumulate(run.losses + start, run.losses + run.done, sum);
      if (run.pulse) run.pulse();
      if (progress && !progress(run.done, sum / double(run.done))) {
        if (!finite()) restore(good);
        return {Status::kStopped, run.done};
      }
    }
  } catch (...) {
    if (!finite()) restore(good);
    throw;
  }
  return {Status::kOk, run.done};
}

template <class T>
Outcome Trainer<T>::train(const Samples<T>& samples, const Index* order, Index n, const Batches& batches,
                          const double* rates, double* losses, const Progress& progress, const Pulse& pulse,
                          EngineKind kind, int n_threads) {
  const blas::Serial serial;
  Team team(n_threads);
  const EndOfRun end{engine_};  // before that of the team
  const bool blocked = chosen(kind) == EngineKind::kBlocked;
  Run run(network_, samples, order, n, batches, rates, losses, blocked, team, pulse);
  state();
  if (state_.options.sdlm() && !(state_.options.running() && state_.measured)) measure_curvature(run);
  return present_all(run, progress);
}

template <class T>
bool Trainer<T>::begin_running(const T* x, const T* t) {
  if (state_.measured) return true;
  AlignedVector<T> h(std::size_t(network_.n_parameters()));
  Tape<T>(network_, 1).add_curvature(1, network_.parameters(), x, t, nullptr, h.data());
  if (!simd::all_finite(h.data(), network_.n_parameters())) return false;
  state_.set_curvature(h.data());
  stale_ = true;
  return true;
}

template <class T>
T Trainer<T>::learn_one(const T* x, const T* t, double largest_loss) {
  const blas::Serial serial;
  const FlushDenormals flush;
  const SdlmOptions* sdlm = state_.options.sdlm();
  const bool ready = !sdlm || begin_running(x, t);
  activate(sdlm != nullptr, false, alone_);
  const T loss = engine_->assess(x, t, T(1));
  if (!ready || !std::isfinite(loss) || double(loss) > largest_loss) return loss;
  const double rate = state_.learning_rate() / (sdlm ? sdlm->mu : 1.0);
  const bool suspicious = unbounded_ || !(double(simd::sum_of_sizes(x, network_.n_inputs())) < kSuspicious) ||
                          double(loss) > kSuspicious || rate > kSuspicious;
  AlignedVector<T> good;
  if (suspicious) good.assign(network_.parameters(), network_.parameters() + network_.n_parameters());
  state_.begin_update();
  engine_->learn(t, T(1));
  engine_->finish();
  state_.end_update();
  if (suspicious && !finite()) restore(good);
  return loss;
}

template class Trainer<float>;
template class Trainer<double>;

}  // namespace ebp

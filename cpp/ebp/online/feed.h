// Rows of the user's data as the network sees them: as they are, or normalised on the way in, so that no
// copy of the data is ever made.
#pragma once

#include <algorithm>

#include "ebp/base/aligned.h"
#include "ebp/base/blas.h"
#include "ebp/base/simd.h"

namespace ebp {

// z = (x - shift) * factor, element by element, or z = factor (x - shift) with a matrix.
template <class T>
struct InputTransform {
  const T* shift = nullptr;   // (n_features); null: z = x
  const T* factor = nullptr;  // (n_features), or (n_inputs, n_features)
  bool is_matrix = false;
};

// Samples to learn from. Index letters: f features, i network inputs, o outputs.
template <class T>
struct Samples {
  const T* x;        // (samples, f)
  Index n_features;  // f; equals i unless the transform is a matrix
  const T* t;        // (samples, o)
  const T* weights;  // (samples), or null for 1
  InputTransform<T> transform;
};

template <class T>
class Feed {
 public:
  Feed(const Samples<T>& samples, Index n_inputs)
      : samples_(samples), n_inputs_(n_inputs), centred_(std::size_t(samples.n_features)) {
    for (auto& row : rows_) row.resize(std::size_t(n_inputs));
  }

  // Row (i) of one sample. Two rows are valid at a time: a row stays until the call after next.
  const T* row(Index sample) {
    const T* x = samples_.x + sample * samples_.n_features;
    if (!samples_.transform.shift) return x;
    next_ = 1 - next_;
    T* z = rows_[next_].data();
    transform(x, z);
    return z;
  }

  // Starts to bring a sample's row into cache: rows in random order are nothing that the processor foresees.
  void prefetch(Index sample) const {
    const T* x = samples_.x + sample * samples_.n_features;
    constexpr Index kLine = 64 / Index(sizeof(T));
    for (Index k = 0; k < samples_.n_features; k += kLine) __builtin_prefetch(x + k);
  }

  // rows (n, i) of n samples.
  void gather(Index n, const Index* samples, T* rows) {
    for (Index k = 0; k < n; ++k) {
      const T* x = samples_.x + samples[k] * samples_.n_features;
      if (samples_.transform.shift)
        transform(x, rows + k * n_inputs_);
      else
        std::copy_n(x, n_inputs_, rows + k * n_inputs_);
    }
  }

 private:
  void transform(const T* x, T* z) {
    const auto& [shift, factor, is_matrix] = samples_.transform;
    const T *shifts = shift, *factors = factor;
    if (!is_matrix) {
      simd::for_lanes<T>(n_inputs_, [=](Index k, auto lanes) {
        lanes.store(z + k, (lanes.load(x + k) - lanes.load(shifts + k)) * lanes.load(factors + k));
      });
      return;
    }
    const Index f = samples_.n_features;
    for (Index k = 0; k < f; ++k) centred_[std::size_t(k)] = x[k] - shifts[k];
    blas::gemm(blas::Op::kPlain, blas::Op::kTransposed, 1, n_inputs_, f, centred_.data(), factors, T(0), z);
  }

  Samples<T> samples_;
  Index n_inputs_;
  AlignedVector<T> centred_;
  AlignedVector<T> rows_[2];
  int next_ = 0;
};

}  // namespace ebp

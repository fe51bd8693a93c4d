// The rows of a dense layer's weights in as many parts as there are threads, and the sum of what they pass
// down.
#pragma once

#include <algorithm>
#include <vector>

#include "ebp/base/aligned.h"
#include "ebp/online/dense_kernels.h"
#include "ebp/online/online_layer.h"

namespace ebp {

// Index letters: i inputs of the layer.
template <class T>
class RowParts {
 public:
  // `vectors` (i) are passed down by each part. True if the team is called at every sample.
  bool use(Team& team, const online::Sweep<T>& sweep, Index vectors) {
    helpers_.use(team, sweep.n_inputs * sweep.n_outputs >= kShareable);
    width_ = simd::padded<T>(sweep.n_inputs);
    below_.resize(std::size_t(helpers_.size()) - 1);
    for (auto& part : below_) part.resize(std::size_t(vectors * width_));
    return helpers_.size() > 1;
  }

  // Calls body(rows, first of them, part) for all rows of the sweep, in as many parts as there are threads.
  template <class Body>
  void each(const online::Sweep<T>& sweep, const Body& body) const {
    if (helpers_.size() == 1) return body(sweep, 0, 0);
    helpers_.share(sweep.n_outputs, simd::kLanes<T>,
                   [&](const Share& share, int part) { body(sweep.rows(share), share.begin, part); });
  }

  // Where a part puts the vector that it passes down as the k-th; the first part puts it into the sum itself.
  T* below(int part, Index k, T* sum) {
    return part ? below_[std::size_t(part) - 1].data() + k * width_ : sum;
  }
  // What a part passes down that has no rows, since there are more threads than these.
  void pass_nothing(T* below) const { std::fill_n(below, width_, T(0)); }
  // Adds the others' to the sum (i).
  void add_others(Index k, T* sum) const {
    for (const auto& part : below_)
      for (Index i = 0; i < width_; i += simd::kLanes<T>)
        simd::store(sum + i, simd::load(sum + i) + simd::load(part.data() + k * width_ + i));
  }

 private:
  Helpers helpers_;
  Index width_ = 0;
  std::vector<AlignedVector<T>> below_;  // (vectors, width) of all parts but the first
};

}  // namespace ebp

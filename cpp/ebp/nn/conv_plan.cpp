#include "ebp/nn/conv_plan.h"

#include <algorithm>
#include <numeric>

#include "ebp/base/scratch.h"
#include "ebp/nn/conv_kernels.h"

namespace ebp {
namespace {

using simd::kLanes;
using simd::Pack;

// Copies n values in whole packs where there is room for them; nothing is read beyond the last value.
template <class T>
inline void copy_row(const T* from, Index n, T* to, Index room) {
  if (room < simd::padded<T>(n)) {
    std::copy_n(from, n, to);
    return;
  }
  simd::for_lanes<T>(n, [&](Index k, auto lanes) { simd::store(to + k, lanes.load(from + k)); });
}

// The even lanes of two packs.
template <class T, int... i>
inline Pack<T> evens(Pack<T> a, Pack<T> b, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(a, b, (2 * i)...);
}

// `rows` rows of n values, row_step apart: to[c] = from[c stride], row after row. Whole packs are read and
// written.
template <class T>
inline void copy_strided(Index rows, const T* from, Index row_step, Index stride, Index n, T* to) {
  constexpr std::make_integer_sequence<int, int(kLanes<T>)> all;
  for (Index r = 0; r < rows; ++r, from += row_step, to += n)
    if (stride == 1)
      for (Index c = 0; c < n; c += kLanes<T>) simd::store(to + c, simd::load(from + c));
    else if (stride == 2)
      for (Index c = 0; c < n; c += kLanes<T>)
        simd::store(to + c, evens<T>(simd::load(from + 2 * c), simd::load(from + 2 * c + kLanes<T>), all));
    else
      for (Index c = 0; c < n; ++c) to[c] = from[c * stride];
}

}  // namespace

// Rows of the frame are so far apart that whole packs of one never reach into the next: a load that overlaps
// a recent store of another row would have to wait for it.
template <class T>
ConvPlan<T>::ConvPlan(const ConvShape& shape)
    : shape_(shape),
      frame_pitch_(simd::padded<T>(shape.kernel_width - 1 + shape.stride * simd::padded<T>(shape.out_width))),
      margin_(simd::padded<T>((shape.kernel_height - 1) / shape.stride * shape.out_width)),
      kernel_at_(std::size_t(shape.maps_out * shape.maps_in)) {
  std::vector<std::vector<Index>> targets(std::size_t(shape_.maps_in));  // output maps of each input map
  Index at = 0;
  for (Index o = 0; o < shape_.maps_out; ++o)
    for (Index i : shape_.sources[std::size_t(o)]) {
      targets[std::size_t(i)].push_back(o);
      kernel_at_[std::size_t(o * shape_.maps_in + i)] = at;
      at += shape_.n_taps();
    }
  plan_products();
  plan_correlations(targets);
  plan_transposed(targets);
}

template <class T>
Index ConvPlan<T>::frame_size() const {
  return shape_.maps_in * frame_step() + (shape_.stride + 1) * kLanes<T>;
}

template <class T>
Index ConvPlan<T>::columns_size() const {
  return shape_.maps_in * shape_.kernel_width * column_size() + kLanes<T>;
}

template <class T>
Index ConvPlan<T>::column_at(Index i, Index a, Index b) const {
  const Index s = shape_.stride;
  return (i * shape_.kernel_width + b) * column_size() + (a % s * phase_rows() + a / s) * shape_.out_width;
}

// Where connections are partial, maps are taken in pairs, over the sources of both.
template <class T>
void ConvPlan<T>::plan_products() {
  const Index group = shape_.full ? shape_.maps_out : 2;
  for (Index o = 0; o < shape_.maps_out; o += group) {
    Product product{o, std::min(group, shape_.maps_out - o), {}, {}};
    std::vector<Index> sources;
    for (Index m = o; m < o + product.count; ++m) {
      const auto& more = shape_.sources[std::size_t(m)];
      sources.insert(sources.end(), more.begin(), more.end());
    }
    std::sort(sources.begin(), sources.end());
    sources.erase(std::unique(sources.begin(), sources.end()), sources.end());
    for (Index i : sources)
      for (Index tap = 0; tap < shape_.n_taps(); ++tap) {
        product.table_at.push_back(i * shape_.n_taps() + tap);
        product.columns_at.push_back(column_at(i, tap / shape_.kernel_width, tap % shape_.kernel_width));
      }
    products_.push_back(std::move(product));
  }
}

template <class T>
void ConvPlan<T>::plan_correlations(const std::vector<std::vector<Index>>& targets) {
  const Index maps_at_once = shape_.full ? shape_.maps_in : 1;
  for (Index first = 0; first < shape_.maps_in; first += maps_at_once) {
    Correlation correlation;
    for (Index o : targets[std::size_t(first)]) {
      correlation.deltas_at.push_back(o * deltas_step() + margin_);
      correlation.gradient_at.push_back(kernel_at_[std::size_t(o * shape_.maps_in + first)]);
    }
    for (Index i = first; i < first + maps_at_once; ++i)
      for (Index tap = 0; tap < shape_.n_taps(); ++tap)
        correlation.columns_at.push_back(column_at(i, tap / shape_.kernel_width, tap % shape_.kernel_width));
    correlations_.push_back(std::move(correlation));
  }
}

template <class T>
void ConvPlan<T>::plan_transposed(const std::vector<std::vector<Index>>& targets) {
  const Index s = shape_.stride;
  for (Index i = 0; i < shape_.maps_in; ++i)
    for (Index phase = 0; phase < std::min(s, shape_.kernel_height); ++phase) {
      const auto& maps = targets[std::size_t(i)];
      Transposed rows{i, phase, Index(maps.size()), {}, {}};
      for (Index a = phase; a < shape_.kernel_height; a += s)
        for (Index o : maps) {
          rows.kernel_at.push_back(kernel_at_[std::size_t(o * shape_.maps_in + i)] + a * shape_.kernel_width);
          rows.deltas_at.push_back(o * deltas_step() + margin_ - a / s * shape_.out_width);
        }
      transposed_.push_back(std::move(rows));
    }
}

template <class T>
void ConvPlan<T>::fill_frame(const T* x, T* frame) const {
  const Index height = shape_.height, width = shape_.width, left = shape_.pad_left;
  const bool wraps = shape_.padding == Padding::kWrap;
  const Index copied = std::min(width, shape_.frame_width - left);
  for (Index i = 0; i < shape_.maps_in; ++i)
    for (Index r = 0; r < shape_.frame_height; ++r, frame += frame_pitch_) {
      const Index row = wraps ? r % height : r - shape_.pad_top;
      if (row < 0 || row >= height) {
        std::fill_n(frame, frame_pitch_, T(0));
        continue;
      }
      copy_row(x + (i * height + row) * width, copied, frame + left, frame_pitch_ - left);
      std::fill_n(frame, left, T(0));
      for (Index c = left + copied; c < shape_.frame_width; ++c) frame[c] = wraps ? frame[c - width] : T(0);
    }
}

template <class T>
void ConvPlan<T>::fill_columns(const T* frame, T* columns) const {
  const Index s = shape_.stride, phase_size = phase_rows() * shape_.out_width;
  for (Index i = 0; i < shape_.maps_in; ++i, frame += frame_step())
    for (Index b = 0; b < shape_.kernel_width; ++b)
      for (Index phase = 0; phase < s; ++phase, columns += phase_size) {
        const Index rows = (shape_.frame_height - phase + s - 1) / s;
        copy_strided(rows, frame + phase * frame_pitch_ + b, s * frame_pitch_, s, shape_.out_width, columns);
        // A last row that the frame has not is read with the packs that reach into it.
        std::fill(columns + rows * shape_.out_width, columns + phase_size, T(0));
      }
  simd::store(columns, Pack<T>{});
}

template <class T>
const T* ConvPlan<T>::table(const T* theta, T* buffer) const {
  if (shape_.full) return theta;
  const Index taps = shape_.n_taps();
  std::fill_n(buffer, table_size(), T(0));
  for (Index o = 0; o < shape_.maps_out; ++o)
    for (Index i : shape_.sources[std::size_t(o)]) {
      std::copy_n(theta, taps, buffer + o * n_terms() + i * taps);
      theta += taps;
    }
  return buffer;
}

template <class T>
void ConvPlan<T>::product(const T* table, const T* columns, T* totals) const {
  for (const Product& p : products_) {
    const std::pair<Index, Index> all(0, Index(p.table_at.size()));
    conv::weighted_sums(
        p.count, shape_.n_positions(), [all](Index, Index) { return all; }, table + p.first * n_terms(),
        n_terms(), {p.table_at.data(), p.columns_at.data()}, columns, totals + p.first * totals_step(),
        totals_step());
  }
}

template <class T>
void ConvPlan<T>::correlate(const T* deltas, const T* columns, bool add, T* gradient) const {
  for (const Correlation& c : correlations_)
    conv::correlate<T>(Index(c.deltas_at.size()), shape_.n_positions(), Index(c.columns_at.size()),
                       {deltas, c.deltas_at.data(), columns, c.columns_at.data()},
                       {gradient, c.gradient_at.data(), add});
}

// Rows of the kernel that lie wholly beside the outputs, for the positions of one tile, are left out.
template <class T>
void ConvPlan<T>::transposed_product(const T* theta, const T* deltas, T* frame) const {
  const Index n = phase_rows() * shape_.out_width, step = simd::padded<T>(n);
  Scratch<T> columns(shape_.kernel_width * step);
  std::fill_n(frame, frame_size(), T(0));
  for (const Transposed& rows : transposed_) {
    const Index n_terms = Index(rows.kernel_at.size());
    const auto range = [&](Index p, Index end) {
      const Index first = p / shape_.out_width - (shape_.out_height - 1), last = (end - 1) / shape_.out_width;
      return std::pair(std::max<Index>(0, first * rows.terms_a_row),
                       std::min(n_terms, (last + 1) * rows.terms_a_row));
    };
    conv::weighted_sums(shape_.kernel_width, n, range, theta, 1,
                        {rows.kernel_at.data(), rows.deltas_at.data()}, deltas, columns.data(), step);
    fold_columns(columns.data(), step, rows.phase, frame + rows.map * frame_step());
  }
}

// Column after column, so that a row's values are long stored when they are loaded again.
template <class T>
void ConvPlan<T>::fold_columns(const T* columns, Index step, Index phase, T* frame) const {
  const Index s = shape_.stride, width = shape_.out_width;
  for (Index b = 0; b < shape_.kernel_width; ++b, columns += step)
    for (Index row = phase, r = 0; row < shape_.frame_height; row += s, ++r) {
      const T* from = columns + r * width;
      T* to = frame + row * frame_pitch_ + b;
      if (s == 1)
        simd::for_lanes<T>(width, [&](Index c, auto lanes) {
          simd::store(to + c, simd::load(to + c) + lanes.load(from + c));
        });
      else
        for (Index c = 0; c < width; ++c) to[c * s] += from[c];
    }
}

template <class T>
void ConvPlan<T>::fold_frame(const T* frame, bool add, T* gx) const {
  const Index height = shape_.height, width = shape_.width, left = shape_.pad_left;
  const bool wraps = shape_.padding == Padding::kWrap;
  const Index covered = std::min(width, shape_.frame_width - left);
  const bool whole = !add && !wraps && shape_.frame_height >= height && covered == width;
  const T* const end = gx + shape_.maps_in * height * width;
  if (!add && !whole) std::fill_n(gx, shape_.maps_in * height * width, T(0));
  for (Index i = 0; i < shape_.maps_in; ++i, gx += height * width)
    for (Index r = 0; r < shape_.frame_height; ++r, frame += frame_pitch_) {
      const Index row = wraps ? r % height : r - shape_.pad_top;
      if (row < 0 || row >= height) continue;
      T* to = gx + row * width;
      if (whole) {
        copy_row(frame + left, width, to, end - to);
        continue;
      }
      for (Index c = 0; c < covered; ++c) to[c] += frame[left + c];
      for (Index c = width; wraps && c < shape_.frame_width; ++c) to[c - width] += frame[c];
    }
}

template class ConvPlan<float>;
template class ConvPlan<double>;

}  // namespace ebp

#include <algorithm>

#include "ebp/base/simd.h"
#include "ebp/online/map_kernels.h"
#include "ebp/online/online_maps.h"
#include "ebp/online/winner_kernels.h"

namespace ebp {
namespace {

using simd::kLanes;
using simd::Pack;

// Calls body.operator()<n>() for the number n of 1 .. kRow.
template <int kMost = int(online::kRow), class Body>
void for_number(Index n, Body&& body) {
  if (n == kMost)
    body.template operator()<kMost>();
  else if constexpr (kMost > 1)
    for_number<kMost - 1>(n, body);
}

// Maps whose activation is only wanted where it is largest in its window. As no activation decreases, that is
// where the total is largest, so winners come first and are activated alone; backwards, nothing but winners
// has an error.
template <class T>
class PooledMaps final : public OnlineMaps<T> {
 public:
  PooledMaps(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, Index size, const Share& maps, T* theta,
             Index start, RuleState<T>& state)
      : OnlineMaps<T>(conv, maps, theta, start, state),
        shape_(plan_.shape()),
        sigmoid_(sigmoid),
        size_(size),
        window_rows_(shape_.out_height / size),
        window_columns_(shape_.out_width / size),
        n_windows_(window_rows_ * window_columns_),
        step_size_(simd::padded<T>(n_windows_ - window_columns_ + simd::padded<T>(window_columns_))) {
    static_assert(online::kRow <= OnlineMaps<T>::kRoom);
    const auto resize = [](auto& vector, Index count) { vector.resize(std::size_t(count)); };
    resize(table_, plan_.table_size());
    resize(frame_, plan_.frame_size() + online::kRow);
    resize(errors_, plan_.frame_size() + online::kRow);
    resize(columns_, plan_.columns_size());
    resize(totals_, plan_.totals_size() + 2 * kLanes<T>);
    for (auto* vector : {&values_, &slopes_, &deltas_}) resize(*vector, shape_.maps_out * step_size_);
    resize(codes_, shape_.maps_out * step_size_);
    for (auto* vector : {&corners_, &at_}) resize(*vector, step_size_);
    resize(zeroed_kernels_, shape_.n_kernels() * kernel_block() + online::kRow);
    connect();
  }

  void forward(const T* x, T* outputs) override {
    plan_.fill_frame(x, frame_.data());
    plan_.fill_columns(frame_.data(), columns_.data());
    plan_.product(plan_.table(kernels_, table_.data()), columns_.data(), totals_.data());
    choose_winners();
    online::activate_maps(shape_.maps_out, n_windows_, sigmoid_, biases_, values_.data(), step_size_, outputs,
                          slopes_.data());
  }

  void backward(const T* e, T* e_below) override {
    online::deltas_of_maps(shape_.maps_out, n_windows_, slopes_.data(), step_size_, e, deltas_.data(),
                           step_size_);
    form_gradient();
    if (!e_below) return;
    pass_down();
    plan_.fold_frame(errors_.data(), false, e_below);
  }

  // At the winners; 0 elsewhere.
  void take_curvature(const T* c, T* curvature) const override {
    std::fill_n(curvature, shape_.maps_out * shape_.n_positions(), T(0));
    for (Index o = 0; o < shape_.maps_out; ++o)
      for (Index k = 0; k < n_windows_; ++k) {
        const Index code = Index(codes_[std::size_t(o * step_size_ + k)]),
                    row = k / window_columns_ * size_ + code / online::kRow,
                    column = k % window_columns_ * size_ + code % online::kRow;
        const T slope = slopes_[std::size_t(o * step_size_ + k)];
        curvature[(o * shape_.out_height + row) * shape_.out_width + column] =
            slope * slope * c[o * n_windows_ + k];
      }
  }

 private:
  using OnlineMaps<T>::plan_;
  using OnlineMaps<T>::kernels_;
  using OnlineMaps<T>::biases_;
  using Code = online::Code<T>;

  // A kernel among its zeros.
  Index kernel_block() const { return (shape_.kernel_height + 2 * (size_ - 1)) * online::kRow; }
  // Where it begins, seen from the window's corner.
  Index kernel_start() const { return (size_ - 1) * (online::kRow + 1); }

  void connect() {
    const Index pitch = plan_.frame_pitch();
    for (Index k = 0; k < n_windows_; ++k)
      corners_[std::size_t(k)] = Code(k / window_columns_ * size_ * pitch + k % window_columns_ * size_);
    connections_.resize(std::size_t(shape_.maps_in));
    Index kernel = 0;
    for (Index o = 0; o < shape_.maps_out; ++o)
      for (Index i : shape_.sources[std::size_t(o)])
        connections_[std::size_t(i)].push_back({o * step_size_, kernel++ * kernel_block() + kernel_start()});
  }

  void choose_winners() {
    const Index width = shape_.out_width;
    for (Index o = 0; o < shape_.maps_out; ++o)
      for (Index r = 0; r < window_rows_; ++r) {
        const T* from = totals_.data() + o * plan_.totals_step() + r * size_ * width;
        const Index to = o * step_size_ + r * window_columns_;
        if (size_ == 2)
          online::winners_of_pairs<T>(window_columns_, from, width, values_.data() + to, codes_.data() + to);
        else
          online::winners_of_squares<T>(window_columns_, size_, from, width, values_.data() + to,
                                        codes_.data() + to);
      }
  }

  // at_ = where in the frame the values under each of a map's winners begin.
  void locate(Index o) {
    using Codes = simd::IntegerPack<T>;
    const Code* codes = codes_.data() + o * step_size_;
    const Code pitch = Code(plan_.frame_pitch());
    for (Index k = 0; k < n_windows_; k += kLanes<T>) {
      Codes code, at;
      std::memcpy(&code, codes + k, sizeof code);
      std::memcpy(&at, corners_.data() + k, sizeof at);
      at += (code >> online::kRowBits) * pitch + (code & (Code(online::kRow) - 1));
      std::memcpy(at_.data() + k, &at, sizeof at);
    }
  }

  // Kernels are written in whole vectors, the next one over what reaches into it.
  void form_gradient() {
    const Index frame_step = shape_.frame_height * plan_.frame_pitch();
    T* kernel = this->gradient_.data();
    for (Index o = 0; o < shape_.maps_out; ++o) {
      locate(o);
      const T* deltas = deltas_.data() + o * step_size_;
      for (Index i : shape_.sources[std::size_t(o)]) {
        for_number(shape_.kernel_height, [&]<int kHeight>() {
          online::kernel_gradient<kHeight>(n_windows_, deltas, at_.data(), frame_.data() + i * frame_step,
                                           plan_.frame_pitch(), shape_.kernel_width, kernel);
        });
        kernel += shape_.n_taps();
      }
      if (biases_) this->bias_gradient_[std::size_t(o)] = online::sum_of_deltas(n_windows_, deltas);
    }
  }

  // errors = what reaches the frames of the input maps.
  void pass_down() {
    fill_kernels();
    std::fill(errors_.begin(), errors_.end(), T(0));
    for_number(shape_.kernel_height + size_ - 1, [&]<int kRows>() {
      constexpr int kInputs = online::inputs_together<T>(kRows);
      Index i = 0;
      for (; shape_.full && i + kInputs <= shape_.maps_in; i += kInputs) spread_errors<kRows, kInputs>(i);
      for (; i < shape_.maps_in; ++i) spread_errors<kRows, 1>(i);
    });
  }

  // What kInputs input maps from map i on receive from all windows; more than one are fully connected.
  template <int kRows, int kInputs>
  void spread_errors(Index i) {
    const auto& maps = connections_[std::size_t(i)];
    const Index pitch = plan_.frame_pitch(), frame_step = shape_.frame_height * pitch;
    T* frame = errors_.data() + i * frame_step;
    for (Index window = 0; window < n_windows_; ++window)
      online::window_errors<kRows, kInputs>(Index(maps.size()), maps.data(), deltas_.data() + window,
                                            codes_.data() + window, zeroed_kernels_.data(), kernel_block(),
                                            frame + corners_[std::size_t(window)], frame_step, pitch);
  }

  void fill_kernels() {
    const T* from = kernels_;
    T* to = zeroed_kernels_.data() + kernel_start();
    const Index height = shape_.kernel_height, width = shape_.kernel_width;
    for (Index kernel = 0, n = shape_.n_kernels(); kernel < n; ++kernel, to += kernel_block())
      for (Index a = 0; a < height; ++a, from += width)
        simd::for_lanes<T>(width, [=](Index b, auto lanes) {
          simd::store(to + a * online::kRow + b, lanes.load(from + b));
        });
  }

  const ConvShape& shape_;
  Sigmoid<T> sigmoid_;
  Index size_;  // of a window
  Index window_rows_, window_columns_, n_windows_;
  Index step_size_;  // between maps in what holds one value a window, with room for whole packs of every row
  AlignedVector<T> table_, frame_, errors_, columns_, totals_;  // totals are read beyond the last window
  AlignedVector<T> values_, slopes_, deltas_;
  AlignedVector<T> zeroed_kernels_;  // each among its zeros
  AlignedVector<Code> codes_;
  AlignedVector<Code> corners_, at_;  // offsets in the frame: of windows, of one map's winners
  std::vector<std::vector<online::Connection>> connections_;  // of each input map
};

}  // namespace

template <class T>
bool can_pool_online(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, Index size) {
  const ConvShape& shape = conv.shape();
  return shape.stride == 1 && std::max(shape.kernel_height, shape.kernel_width) + size - 1 <= online::kRow &&
         sigmoid.twist >= T(0);
}

template <class T>
std::unique_ptr<OnlineMaps<T>> make_pooled_maps(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, Index size,
                                                const Share& maps, T* theta, Index start,
                                                RuleState<T>& state) {
  return std::make_unique<PooledMaps<T>>(conv, sigmoid, size, maps, theta, start, state);
}

template bool can_pool_online(const Conv2D<float>&, const Sigmoid<float>&, Index);
template bool can_pool_online(const Conv2D<double>&, const Sigmoid<double>&, Index);
template std::unique_ptr<OnlineMaps<float>> make_pooled_maps(const Conv2D<float>&, const Sigmoid<float>&,
                                                             Index, const Share&, float*, Index,
                                                             RuleState<float>&);
template std::unique_ptr<OnlineMaps<double>> make_pooled_maps(const Conv2D<double>&, const Sigmoid<double>&,
                                                              Index, const Share&, double*, Index,
                                                              RuleState<double>&);

}  // namespace ebp

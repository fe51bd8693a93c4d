#include <algorithm>

#include "ebp/base/simd.h"
#include "ebp/online/map_kernels.h"
#include "ebp/online/online_layer.h"
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

// A convolution whose activation is only wanted where it is largest in its window. As no activation
// decreases, that is where the total is largest, so winners come first and are activated alone; backwards,
// nothing but winners has an error.
template <class T>
class OnlinePooledConv final : public OnlineLayer<T> {
 public:
  OnlinePooledConv(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, Index size, T* theta, Index start,
                   RuleState<T>& state, bool running)
      : plan_(conv.plan()),
        shape_(conv.shape()),
        sigmoid_(sigmoid),
        size_(size),
        window_rows_(shape_.out_height / size),
        window_columns_(shape_.out_width / size),
        n_windows_(window_rows_ * window_columns_),
        step_size_(simd::padded<T>(n_windows_ - window_columns_ + simd::padded<T>(window_columns_))),
        theta_(theta + start),
        bias_(conv.bias() ? theta_ + conv.n_parameters() - shape_.maps_out : nullptr),
        step_(conv, theta, start, state, running) {
    const auto resize = [](auto& vector, Index count) { vector.resize(std::size_t(count)); };
    resize(table_, plan_.table_size());
    resize(frame_, plan_.frame_size() + online::kRow);
    resize(errors_, plan_.frame_size() + online::kRow);
    resize(columns_, plan_.columns_size());
    resize(output_, shape_.maps_out * n_windows_ + kLanes<T>);
    for (auto* vector : {&values_, &slopes_, &deltas_}) resize(*vector, shape_.maps_out * step_size_);
    resize(codes_, shape_.maps_out * step_size_);
    resize(corners_, step_size_);
    resize(curvatures_, running ? conv.n_outputs() : 0);
    resize(kernels_, shape_.n_kernels() * kernel_block() + online::kRow);
    connect();
    // What a window's rows add to, zeros at last, may reach beyond their map.
    const bool spills = (window_columns_ - 1) * size_ + online::kRow > plan_.frame_pitch();
    inputs_at_least_ = spills ? shape_.maps_in : 1;
  }

  void use(Team& team) override {
    helpers_.use(team, shape_.multiply_adds() >= kShareable);
    totals_.resize(std::size_t(plan_.totals_size() + helpers_.size() * kBeyond));
    at_.resize(std::size_t(helpers_.size() * step_size_));
  }
  void begin() override {}
  void finish() override {}
  void publish() override {}
  void discard() override {}

  const T* forward(const T* x) override {
    plan_.fill_frame(x, frame_.data());
    plan_.fill_columns(frame_.data(), columns_.data());
    const T* table = plan_.table(theta_, table_.data());
    helpers_.share(shape_.maps_out, 1, [this, table](const Share& maps, int part) {
      T* totals = totals_.data() + part * kBeyond;  // nobody's winners are looked for in others' totals
      plan_.product(maps, table, columns_.data(), totals);
      choose_winners(maps, totals);
      online::activate_maps(maps, n_windows_, sigmoid_, bias_, values_.data(), step_size_, output_.data(),
                            slopes_.data());
    });
    x_ = x;
    return output_.data();
  }

  void backward(const T* e, const T* c, T* e_below, T* c_below) override {
    online::deltas_of_maps(shape_.maps_out, n_windows_, slopes_.data(), step_size_, e, deltas_.data(),
                           step_size_);
    if (e_below) fill_kernels();
    helpers_.run([=, this](int part) {
      form_gradient({shape_.maps_out, part, helpers_.size()}, at_.data() + part * step_size_);
      if (e_below) pass_down({shape_.maps_in, part, helpers_.size(), inputs_at_least_});
    });
    if (e_below) plan_.fold_frame(errors_.data(), false, e_below);
    if (c) {
      take_curvature(c);
      step_.take_curvature(x_, curvatures_.data(), c_below);
    }
    step_.apply();
  }

 private:
  using Code = online::Code<T>;
  static constexpr Index kBeyond = 2 * kLanes<T>;  // totals that are read behind the last window

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
    for (Index o = 0; o < shape_.maps_out; ++o) {
      kernels_before_.push_back(kernel);
      for (Index i : shape_.sources[std::size_t(o)])
        connections_[std::size_t(i)].push_back({o * step_size_, kernel++ * kernel_block() + kernel_start()});
    }
    kernels_before_.push_back(kernel);
  }

  void choose_winners(const Share& maps, const T* totals) {
    const Index width = shape_.out_width;
    for (Index o = maps.begin; o < maps.end; ++o)
      for (Index r = 0; r < window_rows_; ++r) {
        const T* from = totals + o * plan_.totals_step() + r * size_ * width;
        const Index to = o * step_size_ + r * window_columns_;
        if (size_ == 2)
          online::winners_of_pairs<T>(window_columns_, from, width, values_.data() + to, codes_.data() + to);
        else
          online::winners_of_squares<T>(window_columns_, size_, from, width, values_.data() + to,
                                        codes_.data() + to);
      }
  }

  // to = where in the frame the values under each of a map's winners begin.
  void locate(Index o, Code* to) const {
    using Codes = simd::IntegerPack<T>;
    const Code* codes = codes_.data() + o * step_size_;
    const Code pitch = Code(plan_.frame_pitch());
    for (Index k = 0; k < n_windows_; k += kLanes<T>) {
      Codes code, at;
      std::memcpy(&code, codes + k, sizeof code);
      std::memcpy(&at, corners_.data() + k, sizeof at);
      at += (code >> online::kRowBits) * pitch + (code & (Code(online::kRow) - 1));
      std::memcpy(to + k, &at, sizeof at);
    }
  }

  // Kernels are written in whole vectors, the next one over what reaches into it, unless that is another's.
  // `at` is for as many numbers as a map has windows.
  void form_gradient(const Share& maps, Code* at) {
    T* const gradient = step_.gradient();
    const Index frame_step = shape_.frame_height * plan_.frame_pitch(), taps = shape_.n_taps();
    const T* end = gradient + kernels_before_[std::size_t(maps.end)] * taps;
    const Index written = (shape_.kernel_height - 1) * shape_.kernel_width + online::kRow;
    alignas(64) T last[std::size_t(online::kRow * online::kRow)];
    for (Index o = maps.begin; o < maps.end; ++o) {
      locate(o, at);
      const T* deltas = deltas_.data() + o * step_size_;
      T* kernel = gradient + kernels_before_[std::size_t(o)] * taps;
      for (Index i : shape_.sources[std::size_t(o)]) {
        const bool reaches_beyond = kernel + written > end;
        T* to = reaches_beyond ? last : kernel;
        for_number(shape_.kernel_height, [&]<int kHeight>() {
          online::kernel_gradient<kHeight>(n_windows_, deltas, at, frame_.data() + i * frame_step,
                                           plan_.frame_pitch(), shape_.kernel_width, to);
        });
        if (reaches_beyond) std::copy_n(last, taps, kernel);
        kernel += taps;
      }
      if (bias_) gradient[bias_ - theta_ + o] = online::sum_of_deltas(n_windows_, deltas);
    }
  }

  // errors = what reaches these maps' frames.
  void pass_down(const Share& inputs) {
    const Index frame_step = shape_.frame_height * plan_.frame_pitch();
    std::fill_n(errors_.data() + inputs.begin * frame_step, inputs.size() * frame_step, T(0));
    for_number(shape_.kernel_height + size_ - 1, [&]<int kRows>() {
      constexpr int kInputs = online::inputs_together<T>(kRows);
      Index i = inputs.begin;
      for (; shape_.full && i + kInputs <= inputs.end; i += kInputs) spread_errors<kRows, kInputs>(i);
      for (; i < inputs.end; ++i) spread_errors<kRows, 1>(i);
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
                                            codes_.data() + window, kernels_.data(), kernel_block(),
                                            frame + corners_[std::size_t(window)], frame_step, pitch);
  }

  void fill_kernels() {
    const T* from = theta_;
    T* to = kernels_.data() + kernel_start();
    const Index height = shape_.kernel_height, width = shape_.kernel_width;
    for (Index kernel = 0, n = shape_.n_kernels(); kernel < n; ++kernel, to += kernel_block())
      for (Index a = 0; a < height; ++a, from += width)
        simd::for_lanes<T>(width, [=](Index b, auto lanes) {
          simd::store(to + a * online::kRow + b, lanes.load(from + b));
        });
  }

  // f'^2 c at the winners, 0 elsewhere: (54)
  void take_curvature(const T* c) {
    std::fill(curvatures_.begin(), curvatures_.end(), T(0));
    for (Index o = 0; o < shape_.maps_out; ++o)
      for (Index k = 0; k < n_windows_; ++k) {
        const Index code = Index(codes_[std::size_t(o * step_size_ + k)]),
                    row = k / window_columns_ * size_ + code / online::kRow,
                    column = k % window_columns_ * size_ + code % online::kRow;
        const T slope = slopes_[std::size_t(o * step_size_ + k)];
        curvatures_[std::size_t((o * shape_.out_height + row) * shape_.out_width + column)] =
            slope * slope * c[o * n_windows_ + k];
      }
  }

  const ConvPlan<T>& plan_;
  const ConvShape& shape_;
  Sigmoid<T> sigmoid_;
  Index size_;  // of a window
  Index window_rows_, window_columns_, n_windows_;
  Index step_size_;  // between maps in what holds one value a window, with room for whole packs of every row
  Index inputs_at_least_;  // maps that one thread must treat
  T* theta_;
  const T* bias_;  // null without
  OnlineStep<T> step_;
  Helpers helpers_;
  AlignedVector<T> table_, frame_, errors_, columns_, totals_, output_;
  AlignedVector<T> values_, slopes_, deltas_, curvatures_, kernels_;
  AlignedVector<Code> codes_;
  AlignedVector<Code> corners_, at_;   // offsets in the frame: of windows, of one map's winners for each part
  std::vector<Index> kernels_before_;  // those of each output map, and all
  std::vector<std::vector<online::Connection>> connections_;  // of each input map
  const T* x_ = nullptr;                                      // input of the present sample
};

}  // namespace

template <class T>
bool can_pool_online(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, Index size) {
  const ConvShape& shape = conv.shape();
  return shape.stride == 1 && std::max(shape.kernel_height, shape.kernel_width) + size - 1 <= online::kRow &&
         sigmoid.twist >= T(0);
}

template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_pooled_conv(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid,
                                                        Index size, T* theta, Index start,
                                                        RuleState<T>& state, bool running) {
  return std::make_unique<OnlinePooledConv<T>>(conv, sigmoid, size, theta, start, state, running);
}

template bool can_pool_online(const Conv2D<float>&, const Sigmoid<float>&, Index);
template bool can_pool_online(const Conv2D<double>&, const Sigmoid<double>&, Index);
template std::unique_ptr<OnlineLayer<float>> make_online_pooled_conv(const Conv2D<float>&,
                                                                     const Sigmoid<float>&, Index, float*,
                                                                     Index, RuleState<float>&, bool);
template std::unique_ptr<OnlineLayer<double>> make_online_pooled_conv(const Conv2D<double>&,
                                                                      const Sigmoid<double>&, Index, double*,
                                                                      Index, RuleState<double>&, bool);

}  // namespace ebp

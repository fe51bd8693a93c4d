#include <algorithm>

#include "ebp/base/simd.h"
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
        step_size_(simd::padded<T>(window_rows_ * window_columns_)),
        theta_(theta + start),
        bias_(conv.bias() ? theta_ + conv.n_parameters() - shape_.maps_out : nullptr),
        step_(conv, theta, start, state, running) {
    const auto resize = [](auto& vector, Index count) { vector.resize(std::size_t(count)); };
    resize(table_, plan_.table_size());
    resize(frame_, plan_.frame_size() + online::kRow);
    resize(errors_, plan_.frame_size() + online::kRow);
    resize(columns_, plan_.columns_size());
    resize(totals_, plan_.totals_size() + 2 * kLanes<T>);
    resize(output_, shape_.maps_out * window_rows_ * window_columns_ + kLanes<T>);
    for (auto* vector : {&values_, &slopes_, &deltas_})
      resize(*vector, shape_.maps_out * step_size_ + kLanes<T>);
    resize(codes_, shape_.maps_out * step_size_ + kLanes<T>);
    resize(corners_, step_size_);
    resize(at_, step_size_);
    resize(curvatures_, running ? conv.n_outputs() : 0);
    resize(kernels_, shape_.n_kernels() * kernel_block() + online::kRow);
    connect();
  }

  void begin() override {}
  void finish() override {}
  void publish() override {}
  void discard() override {}

  const T* forward(const T* x) override {
    plan_.fill_frame(x, frame_.data());
    plan_.fill_columns(frame_.data(), columns_.data());
    plan_.product(plan_.table(theta_, table_.data()), columns_.data(), totals_.data());
    choose_winners();
    activate();
    x_ = x;
    return output_.data();
  }

  void backward(const T* e, const T* c, T* e_below, T* c_below) override {
    take_error(e);
    form_gradient();
    if (e_below) pass_down(e_below);
    if (c) {
      take_curvature(c);
      step_.take_curvature(x_, curvatures_.data(), c_below);
    }
    step_.apply();
  }

 private:
  using Code = online::Code<T>;

  // A kernel among its zeros.
  Index kernel_block() const { return (shape_.kernel_height + 2 * (size_ - 1)) * online::kRow; }
  // Where it begins, seen from the window's corner.
  Index kernel_start() const { return (size_ - 1) * (online::kRow + 1); }
  Index n_windows() const { return window_rows_ * window_columns_; }

  void connect() {
    const Index pitch = plan_.frame_pitch();
    for (Index k = 0; k < n_windows(); ++k)
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

  // A map's outputs are written in whole packs, which the next map's overwrite where they reach into it.
  void activate() {
    const Sigmoid<T> sigmoid = sigmoid_;
    for (Index o = 0; o < shape_.maps_out; ++o) {
      const T *values = values_.data() + o * step_size_, bias = bias_ ? bias_[o] : T(0);
      T *slopes = slopes_.data() + o * step_size_, *outputs = output_.data() + o * n_windows();
      for (Index k = 0; k < step_size_; k += kLanes<T>) {
        Pack<T> value, slope;
        sigmoid.value_and_slope(simd::load(values + k) + bias, value, slope);
        simd::store(outputs + k, value);
        simd::store(slopes + k, slope);
      }
    }
  }

  // delta = f' e of the winners: (4)
  void take_error(const T* e) {
    for (Index o = 0; o < shape_.maps_out; ++o, e += n_windows()) {
      const T* slopes = slopes_.data() + o * step_size_;
      T* deltas = deltas_.data() + o * step_size_;
      simd::for_lanes<T>(n_windows(), [=](Index k, auto lanes) {
        simd::store(deltas + k, lanes.load(slopes + k) * lanes.load(e + k));
      });
    }
  }

  // at = where in the frame the values under each of a map's winners begin.
  void locate(Index o) {
    using Codes = simd::IntegerPack<T>;
    const Code* codes = codes_.data() + o * step_size_;
    const Code pitch = Code(plan_.frame_pitch());
    for (Index k = 0; k < step_size_; k += kLanes<T>) {
      Codes code, at;
      std::memcpy(&code, codes + k, sizeof code);
      std::memcpy(&at, corners_.data() + k, sizeof at);
      at += (code >> online::kRowBits) * pitch + (code & (Code(online::kRow) - 1));
      std::memcpy(at_.data() + k, &at, sizeof at);
    }
  }

  // Kernels are written in whole vectors, the next one over what reaches into it; biases at last.
  void form_gradient() {
    T* kernel = step_.gradient();
    const Index frame_step = shape_.frame_height * plan_.frame_pitch();
    for (Index o = 0; o < shape_.maps_out; ++o) {
      locate(o);
      for (Index i : shape_.sources[std::size_t(o)]) {
        for_number(shape_.kernel_height, [&]<int kHeight>() {
          online::kernel_gradient<kHeight>(n_windows(), deltas_.data() + o * step_size_, at_.data(),
                                           frame_.data() + i * frame_step, plan_.frame_pitch(),
                                           shape_.kernel_width, kernel);
        });
        kernel += shape_.n_taps();
      }
    }
    for (Index o = 0; bias_ && o < shape_.maps_out; ++o) {
      const T* deltas = deltas_.data() + o * step_size_;
      Pack<T> sum{};
      for (Index k = 0; k < step_size_; k += kLanes<T>) sum += simd::load(deltas + k);
      kernel[o] = simd::sum<T>(sum);
    }
  }

  void pass_down(T* e_below) {
    fill_kernels();
    std::fill(errors_.begin(), errors_.end(), T(0));
    for_number(shape_.kernel_height + size_ - 1, [&]<int kRows>() {
      constexpr int kInputs = online::inputs_together<T>(kRows);
      Index i = 0;
      for (; shape_.full && i + kInputs <= shape_.maps_in; i += kInputs) spread_errors<kRows, kInputs>(i);
      for (; i < shape_.maps_in; ++i) spread_errors<kRows, 1>(i);
    });
    plan_.fold_frame(errors_.data(), false, e_below);
  }

  // What kInputs input maps from map i on receive from all windows; more than one are fully connected.
  template <int kRows, int kInputs>
  void spread_errors(Index i) {
    const auto& maps = connections_[std::size_t(i)];
    const Index pitch = plan_.frame_pitch(), frame_step = shape_.frame_height * pitch;
    T* frame = errors_.data() + i * frame_step;
    for (Index window = 0; window < n_windows(); ++window)
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
      for (Index k = 0; k < n_windows(); ++k) {
        const Index code = Index(codes_[std::size_t(o * step_size_ + k)]),
                    row = k / window_columns_ * size_ + code / online::kRow,
                    column = k % window_columns_ * size_ + code % online::kRow;
        const T slope = slopes_[std::size_t(o * step_size_ + k)];
        curvatures_[std::size_t((o * shape_.out_height + row) * shape_.out_width + column)] =
            slope * slope * c[o * n_windows() + k];
      }
  }

  const ConvPlan<T>& plan_;
  const ConvShape& shape_;
  Sigmoid<T> sigmoid_;
  Index size_;  // of a window
  Index window_rows_, window_columns_;
  Index step_size_;  // between maps in what holds one value a window
  T* theta_;
  const T* bias_;  // null without
  OnlineStep<T> step_;
  AlignedVector<T> table_, frame_, errors_, columns_, totals_, output_;
  AlignedVector<T> values_, slopes_, deltas_, curvatures_, kernels_;
  AlignedVector<Code> codes_;
  AlignedVector<Code> corners_, at_;  // offsets in the frame: of windows, of one map's winners
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

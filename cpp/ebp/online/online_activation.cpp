#include "ebp/base/simd.h"
#include "ebp/online/online_layer.h"

namespace ebp {
namespace {

using simd::kLanes;
using simd::Pack;

// Keeps the slopes from the forward pass for the backward pass.
template <class T>
class OnlineActivation final : public OnlineLayer<T> {
 public:
  explicit OnlineActivation(const Activation<T>& activation)
      : sigmoid_(activation.sigmoid()),
        width_(activation.n_inputs()),
        output_(std::size_t(simd::padded<T>(width_))),
        slope_(output_.size()) {}

  void begin() override {}
  void finish() override {}
  void publish() override {}
  void discard() override {}

  const T* forward(const T* x) override {
    T *outputs = output_.data(), *slopes = slope_.data();
    const Sigmoid<T> sigmoid = sigmoid_;
    simd::for_lanes<T>(width_, [=](Index k, auto lanes) {
      Pack<T> value, slope;
      sigmoid.value_and_slope(lanes.load(x + k), value, slope);
      simd::store(outputs + k, value);
      simd::store(slopes + k, slope);
    });
    return outputs;
  }

  void backward(const T* e, const T* c, T* e_below, T* c_below) override {
    if (!e_below) return;
    const T* slopes = slope_.data();
    for (Index k = 0; k < width_; k += kLanes<T>) {
      const Pack<T> slope = simd::load(slopes + k);
      simd::store(e_below + k, slope * simd::load(e + k));
      if (c) simd::store(c_below + k, slope * slope * simd::load(c + k));
    }
  }

 private:
  Sigmoid<T> sigmoid_;
  Index width_;
  AlignedVector<T> output_, slope_;
};

}  // namespace

template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_activation(const Activation<T>& activation) {
  return std::make_unique<OnlineActivation<T>>(activation);
}

template std::unique_ptr<OnlineLayer<float>> make_online_activation(const Activation<float>&);
template std::unique_ptr<OnlineLayer<double>> make_online_activation(const Activation<double>&);

}  // namespace ebp

#include "ebp/base/simd.h"
#include "ebp/online/map_kernels.h"
#include "ebp/online/online_maps.h"

namespace ebp {
namespace {

using simd::kLanes;
using simd::Pack;

// Keeps the input, as the products take it, and the slopes from the forward pass for the backward pass.
template <class T>
class PlainMaps final : public OnlineMaps<T> {
 public:
  PlainMaps(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, const Share& maps, T* theta, Index start,
            RuleState<T>& state)
      : OnlineMaps<T>(conv, maps, theta, start, state),
        sigmoid_(sigmoid),
        table_(std::size_t(plan_.table_size())),
        frame_(std::size_t(plan_.frame_size())),
        columns_(std::size_t(plan_.columns_size())),
        totals_(std::size_t(plan_.totals_size())),
        slopes_(totals_.size()),
        deltas_(std::size_t(plan_.deltas_size())) {}

  void forward(const T* x, T* outputs) override {
    plan_.fill_frame(x, frame_.data());
    plan_.fill_columns(frame_.data(), columns_.data());
    plan_.product(plan_.table(kernels_, table_.data()), columns_.data(), totals_.data());
    online::activate_maps(n_maps(), n_positions(), sigmoid_, biases_, totals_.data(), plan_.totals_step(),
                          outputs, slopes_.data());
  }

  void backward(const T* e, T* e_below) override {
    T* deltas = deltas_.data() + plan_.deltas_start();
    online::deltas_of_maps(n_maps(), n_positions(), slopes_.data(), plan_.totals_step(), e, deltas,
                           plan_.deltas_step());
    plan_.correlate(deltas_.data(), columns_.data(), false, this->gradient_.data());
    for (Index o = 0; biases_ && o < n_maps(); ++o)
      this->bias_gradient_[std::size_t(o)] =
          online::sum_of_deltas(n_positions(), deltas + o * plan_.deltas_step());
    if (!e_below) return;
    plan_.transposed_product(kernels_, deltas_.data(), frame_.data());
    plan_.fold_frame(frame_.data(), false, e_below);
  }

  void take_curvature(const T* c, T* curvature) const override {
    const T* slopes = slopes_.data();
    for (Index o = 0; o < n_maps();
         ++o, slopes += plan_.totals_step(), c += n_positions(), curvature += n_positions())
      simd::for_lanes<T>(n_positions(), [=](Index k, auto lanes) {
        const Pack<T> slope = simd::load(slopes + k);
        lanes.store(curvature + k, slope * slope * lanes.load(c + k));
      });
  }

 private:
  using OnlineMaps<T>::plan_;
  using OnlineMaps<T>::kernels_;
  using OnlineMaps<T>::biases_;

  Index n_maps() const { return plan_.shape().maps_out; }
  Index n_positions() const { return plan_.shape().n_positions(); }

  Sigmoid<T> sigmoid_;
  AlignedVector<T> table_, frame_, columns_, totals_, slopes_, deltas_;
};

}  // namespace

template <class T>
std::unique_ptr<OnlineMaps<T>> make_plain_maps(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid,
                                               const Share& maps, T* theta, Index start,
                                               RuleState<T>& state) {
  return std::make_unique<PlainMaps<T>>(conv, sigmoid, maps, theta, start, state);
}

template std::unique_ptr<OnlineMaps<float>> make_plain_maps(const Conv2D<float>&, const Sigmoid<float>&,
                                                            const Share&, float*, Index, RuleState<float>&);
template std::unique_ptr<OnlineMaps<double>> make_plain_maps(const Conv2D<double>&, const Sigmoid<double>&,
                                                             const Share&, double*, Index,
                                                             RuleState<double>&);

}  // namespace ebp

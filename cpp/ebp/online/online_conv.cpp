#include <algorithm>
#include <functional>
#include <utility>

#include "ebp/base/simd.h"
#include "ebp/online/online_layer.h"
#include "ebp/online/online_maps.h"
#include "ebp/online/running_curvature.h"

namespace ebp {
namespace {

using simd::kLanes;

// Every thread has output maps of its own.
template <class T>
class OnlineConv final : public OnlineLayer<T> {
 public:
  using MakeMaps = std::function<std::unique_ptr<OnlineMaps<T>>(const Share&)>;

  // A map has n_outputs outputs.
  OnlineConv(const Conv2D<T>& conv, Index n_outputs, MakeMaps make_maps, const T* theta, Index start,
             RuleState<T>& state, bool running)
      : conv_(conv),
        n_outputs_(n_outputs),
        make_maps_(std::move(make_maps)),
        running_(conv, theta, start, state, running),
        output_(std::size_t(n_maps() * n_outputs + kLanes<T>)),
        curvature_(running ? std::size_t(conv.n_outputs()) : 0) {
    split(1);
  }

  bool use(Team& team) override {
    helpers_.use(team, conv_.shape().multiply_adds() >= kShareable);
    split(std::min(Index(helpers_.size()), n_maps()));
    return parts_.size() > 1;
  }
  void begin() override {}
  void finish() override {}
  void publish() override {}
  void discard() override {}

  const T* forward(const T* x) override {
    each_part(
        [this, x](Part& part, bool) { part.maps->forward(x, output_.data() + part.first * n_outputs_); });
    x_ = x;
    return output_.data();
  }

  void backward(const T* e, const T* c, T* e_below, T* c_below) override {
    each_part([=, this](Part& part, bool first) {
      part.maps->backward(e + part.first * n_outputs_, first || !e_below ? e_below : part.e_below.data());
      if (!c) part.maps->apply();
    });
    for (std::size_t p = 1; e_below && p < parts_.size(); ++p) add(parts_[p].e_below.data(), e_below);
    if (!c) return;
    for (Part& part : parts_)
      part.maps->take_curvature(c + part.first * n_outputs_,
                                curvature_.data() + part.first * conv_.shape().n_positions());
    running_.take(x_, curvature_.data(), c_below);
    for (Part& part : parts_) part.maps->apply();
  }

 private:
  struct Part {
    Index first;  // of its maps
    std::unique_ptr<OnlineMaps<T>> maps;
    AlignedVector<T> e_below;  // (i), empty in the first part, which passes its own to the caller
  };

  Index n_maps() const { return conv_.shape().maps_out; }

  void split(Index n_parts) {
    if (n_parts == Index(parts_.size())) return;
    parts_.clear();
    for (Index p = 0; p < n_parts; ++p) {
      const Share maps(n_maps(), p, n_parts);
      const std::size_t below = std::size_t(p ? conv_.n_inputs() + kLanes<T> : 0);
      parts_.push_back({maps.begin, make_maps_(maps), AlignedVector<T>(below)});
    }
  }

  // Calls body(part, whether it is the first), each on the thread that it belongs to.
  template <class Body>
  void each_part(const Body& body) {
    if (parts_.size() == 1) return body(parts_[0], true);
    helpers_.run([&](int p) {
      if (std::size_t(p) < parts_.size()) body(parts_[std::size_t(p)], p == 0);
    });
  }

  void add(const T* from, T* to) const {
    simd::for_lanes<T>(conv_.n_inputs(), [=](Index k, auto lanes) {
      simd::store(to + k, lanes.load(from + k) + simd::load(to + k));
    });
  }

  const Conv2D<T>& conv_;
  Index n_outputs_;
  MakeMaps make_maps_;
  RunningCurvature<T> running_;
  Helpers helpers_;
  std::vector<Part> parts_;
  AlignedVector<T> output_, curvature_;
  const T* x_ = nullptr;  // input of the present sample
};

}  // namespace

template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_conv(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid, T* theta,
                                                 Index start, RuleState<T>& state, bool running) {
  const auto make_maps = [=, &conv, &state](const Share& maps) {
    return make_plain_maps(conv, sigmoid, maps, theta, start, state);
  };
  return std::make_unique<OnlineConv<T>>(conv, conv.shape().n_positions(), make_maps, theta, start, state,
                                         running);
}

template <class T>
std::unique_ptr<OnlineLayer<T>> make_online_pooled_conv(const Conv2D<T>& conv, const Sigmoid<T>& sigmoid,
                                                        Index size, T* theta, Index start,
                                                        RuleState<T>& state, bool running) {
  const auto make_maps = [=, &conv, &state](const Share& maps) {
    return make_pooled_maps(conv, sigmoid, size, maps, theta, start, state);
  };
  const Index n_windows = (conv.shape().out_height / size) * (conv.shape().out_width / size);
  return std::make_unique<OnlineConv<T>>(conv, n_windows, make_maps, theta, start, state, running);
}

template std::unique_ptr<OnlineLayer<float>> make_online_conv(const Conv2D<float>&, const Sigmoid<float>&,
                                                              float*, Index, RuleState<float>&, bool);
template std::unique_ptr<OnlineLayer<double>> make_online_conv(const Conv2D<double>&, const Sigmoid<double>&,
                                                               double*, Index, RuleState<double>&, bool);
template std::unique_ptr<OnlineLayer<float>> make_online_pooled_conv(const Conv2D<float>&,
                                                                     const Sigmoid<float>&, Index, float*,
                                                                     Index, RuleState<float>&, bool);
template std::unique_ptr<OnlineLayer<double>> make_online_pooled_conv(const Conv2D<double>&,
                                                                      const Sigmoid<double>&, Index, double*,
                                                                      Index, RuleState<double>&, bool);

}  // namespace ebp

#include "ebp/online/online_maps.h"

namespace ebp {
namespace {

ConvShape shape_of(const ConvShape& shape, const Share& maps) {
  const auto first = shape.sources.begin();
  return {shape.maps_in, shape.height,        shape.width,
          maps.size(),   shape.kernel_height, shape.kernel_width,
          shape.stride,  shape.padding,       {first + maps.begin, first + maps.end}};
}

// Where a map's first kernel lies in the convolution's parameters.
Index kernels_start(const ConvShape& shape, Index map) {
  Index kernels = 0;
  for (Index o = 0; o < map; ++o) kernels += Index(shape.sources[std::size_t(o)].size());
  return kernels * shape.n_taps();
}

}  // namespace

template <class T>
OnlineMaps<T>::OnlineMaps(const Conv2D<T>& conv, const Share& maps, T* theta, Index start,
                          RuleState<T>& state)
    : plan_(shape_of(conv.shape(), maps)),
      kernels_(theta + start + kernels_start(conv.shape(), maps.begin)),
      biases_(conv.bias() ? theta + start + conv.n_parameters() - conv.shape().maps_out + maps.begin
                          : nullptr),
      gradient_(std::size_t(plan_.shape().n_kernels() * plan_.shape().n_taps() + kRoom)),
      bias_gradient_(std::size_t(maps.size())),
      state_(state),
      kernels_part_(state.part(kernels_ - theta, Index(gradient_.size()) - kRoom)),
      biases_part_(biases_ ? state.part(biases_ - theta, maps.size()) : state.part(0, 0)) {}

template <class T>
void OnlineMaps<T>::apply() {
  state_.apply(kernels_part_, gradient_.data(), kernels_);
  if (biases_) state_.apply(biases_part_, bias_gradient_.data(), biases_);
}

template class OnlineMaps<float>;
template class OnlineMaps<double>;

}  // namespace ebp

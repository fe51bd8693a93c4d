// What convolutions in the streaming engine do with each of their output maps. Maps lie `step` apart and have
// room for whole packs there; in what layers hand each other they lie n apart.
#pragma once

#include "ebp/base/simd.h"
#include "ebp/nn/activation.h"

namespace ebp::online {

// Outputs (maps, n) and slopes (maps, step) from totals (maps, step) and biases (maps; null: none). Outputs
// are written in whole packs, which the next map's overwrite where they reach into it; nothing is written
// behind the last map.
template <class T>
void activate_maps(Index n_maps, Index n, const Sigmoid<T>& sigmoid, const T* biases, const T* totals,
                   Index step, T* outputs, T* slopes) {
  const T* end = outputs + n_maps * n;
  for (Index o = 0; o < n_maps; ++o) {
    const T *from = totals + o * step, bias = biases ? biases[o] : T(0);
    T *slope_to = slopes + o * step, *to = outputs + o * n;
    simd::for_lanes<T>(n, [=](Index k, auto lanes) {
      simd::Pack<T> value, slope;
      sigmoid.value_and_slope(simd::load(from + k) + bias, value, slope);
      if (to + k + simd::kLanes<T> > end)
        lanes.store(to + k, value);
      else
        simd::store(to + k, value);
      simd::store(slope_to + k, slope);
    });
  }
}

// delta = f' e, (4), for all maps: deltas (maps, deltas_step) of slopes (maps, slopes_step) and e (maps, n).
// Deltas are written in whole packs, 0 behind the last.
template <class T>
void deltas_of_maps(Index n_maps, Index n, const T* slopes, Index slopes_step, const T* e, T* deltas,
                    Index deltas_step) {
  for (Index o = 0; o < n_maps; ++o, slopes += slopes_step, e += n, deltas += deltas_step)
    simd::for_lanes<T>(
        n, [=](Index k, auto lanes) { simd::store(deltas + k, lanes.load(slopes + k) * lanes.load(e + k)); });
}

// The sum of one map's n deltas: the gradient of its bias.
template <class T>
T sum_of_deltas(Index n, const T* deltas) {
  simd::Pack<T> sum{};
  for (Index k = 0; k < n; k += simd::kLanes<T>) sum += simd::load(deltas + k);
  return simd::sum<T>(sum);
}

}  // namespace ebp::online

// Geometry of a two-dimensional convolution: who is connected to whom, and where values lie in memory.
#pragma once

#include <string>
#include <vector>

#include "ebp/base/types.h"

namespace ebp {

// kValid: only whole windows. kSame: zeros around the image, so that the output has the input's size divided
// by the stride, rounded up. kWrap: the image continues at its opposite edge (toric), windows begin at each
// stride.
enum class Padding { kValid, kSame, kWrap };

// Throws std::invalid_argument, listing the known names.
Padding padding_from_name(const std::string& name);

struct ConvShape {
  // As the user gives it.
  Index maps_in, height, width;
  Index maps_out, kernel_height, kernel_width, stride;
  Padding padding;
  std::vector<std::vector<Index>> sources;  // input maps of each output map, ascending

  // What follows. The frame is the image with its padding, as far as the windows reach.
  Index out_height, out_width;
  Index pad_top, pad_left;
  Index frame_height, frame_width;
  bool full;  // every output map sees every input map

  // Throws std::invalid_argument for sizes or tables that make no sense.
  ConvShape(Index maps_in, Index height, Index width, Index maps_out, Index kernel_height, Index kernel_width,
            Index stride, Padding padding, std::vector<std::vector<Index>> sources);

  Index n_taps() const { return kernel_height * kernel_width; }
  Index n_positions() const { return out_height * out_width; }  // outputs of a map
  Index n_kernels() const;                                      // pairs of connected maps
  Index multiply_adds() const { return n_kernels() * n_taps() * n_positions(); }
  // One output a map from one window, the whole image: a dense layer under another name.
  bool is_dense() const;
};

}  // namespace ebp

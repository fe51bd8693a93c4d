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

  // What follows. The image is copied, with its padding, into `stride` x `stride` planes a map, of every
  // stride-th row and column, so that the values under one kernel tap are a contiguous stretch of a plane for
  // all output positions at once: output (r, c) is at position r pitch + c.
  Index out_height, out_width;
  Index pad_top, pad_left;
  Index plane_height, pitch;  // of one plane
  Index n_positions;          // from the first to the last output, positions between rows included
  bool full;                  // every output map sees every input map

  // Throws std::invalid_argument for sizes or tables that make no sense.
  ConvShape(Index maps_in, Index height, Index width, Index maps_out, Index kernel_height, Index kernel_width,
            Index stride, Padding padding, std::vector<std::vector<Index>> sources);

  Index n_taps() const { return kernel_height * kernel_width; }
  Index n_kernels() const;  // pairs of connected maps
  Index n_planes() const { return maps_in * stride * stride; }
  Index plane_size() const { return plane_height * pitch; }
  // Offset of tap (a, b) of input map i within all planes, for the output at position 0.
  Index tap_offset(Index i, Index a, Index b) const;
};

}  // namespace ebp

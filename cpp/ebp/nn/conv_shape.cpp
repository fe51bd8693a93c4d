#include "ebp/nn/conv_shape.h"

#include <algorithm>
#include <utility>

namespace ebp {
namespace {

Index divide_up(Index a, Index b) { return (a + b - 1) / b; }

// Outputs along one side of `size` values.
Index outputs(Index size, Index kernel, Index stride, Padding padding) {
  return padding == Padding::kValid ? (size - kernel) / stride + 1 : divide_up(size, stride);
}

}  // namespace

Padding padding_from_name(const std::string& name) {
  if (name == "valid") return Padding::kValid;
  if (name == "same") return Padding::kSame;
  require(name == "wrap", "Conv2D", "padding must be one of valid, same, wrap", name);
  return Padding::kWrap;
}

ConvShape::ConvShape(Index maps_in_, Index height_, Index width_, Index maps_out_, Index kernel_height_,
                     Index kernel_width_, Index stride_, Padding padding_,
                     std::vector<std::vector<Index>> sources_)
    : maps_in(maps_in_),
      height(height_),
      width(width_),
      maps_out(maps_out_),
      kernel_height(kernel_height_),
      kernel_width(kernel_width_),
      stride(stride_),
      padding(padding_),
      sources(std::move(sources_)) {
  const char* conv = "Conv2D";
  require(maps_in >= 1 && height >= 1 && width >= 1, conv, "the input must have maps with rows and columns",
          maps_in);
  require(maps_out >= 1, conv, "maps must be at least 1", maps_out);
  require(stride >= 1, conv, "stride must be at least 1", stride);
  require(kernel_height >= 1 && kernel_width >= 1, conv, "kernel_size must be at least 1",
          std::min(kernel_height, kernel_width));
  require(kernel_height <= height && kernel_width <= width, conv, "kernel_size must fit into the image",
          std::max(kernel_height, kernel_width));
  require(Index(sources.size()) == maps_out, conv, "connections must have one row for each map",
          sources.size());
  full = true;
  for (const auto& row : sources) {
    require(!row.empty(), conv, "every map must be connected to some input map", row.size());
    require(row.front() >= 0 && row.back() < maps_in && std::is_sorted(row.begin(), row.end()) &&
                std::adjacent_find(row.begin(), row.end()) == row.end(),
            conv, "connections must name input maps in ascending order", row.size());
    full = full && Index(row.size()) == maps_in;
  }
  out_height = outputs(height, kernel_height, stride, padding);
  out_width = outputs(width, kernel_width, stride, padding);
  frame_height = (out_height - 1) * stride + kernel_height;
  frame_width = (out_width - 1) * stride + kernel_width;
  pad_top = padding == Padding::kSame ? std::max<Index>(frame_height - height, 0) / 2 : 0;
  pad_left = padding == Padding::kSame ? std::max<Index>(frame_width - width, 0) / 2 : 0;
}

Index ConvShape::n_kernels() const {
  Index count = 0;
  for (const auto& row : sources) count += Index(row.size());
  return count;
}

bool ConvShape::is_dense() const {
  return full && n_positions() == 1 && kernel_height == height && kernel_width == width;
}

}  // namespace ebp

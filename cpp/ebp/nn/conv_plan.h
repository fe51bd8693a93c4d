// How one convolution is computed: where its values lie in memory, and the sums it consists of.
#pragma once

#include <vector>

#include "ebp/base/simd.h"
#include "ebp/nn/conv_shape.h"

namespace ebp {

// All buffers hold one sample and have room for whole packs.
//
// frame (maps_in, frame_height, frame_pitch): the image with its padding.
// columns (maps_in, kernel_width, frame rows, out_width): the columns of the frame that lie under one column
//   of the kernel, every stride-th, with the rows of equal remainder modulo the stride together. So the
//   values under one tap are one stretch for all outputs of a map, without gaps.
// totals (maps_out, totals_step): a map's outputs, one stretch.
// deltas (maps_out, deltas_step): the same after a margin of zeros, from `deltas_start` on; zeros behind.
// table (maps_out, maps_in, taps): the kernels, zero where maps are not connected.
template <class T>
class ConvPlan {
 public:
  explicit ConvPlan(const ConvShape& shape);

  const ConvShape& shape() const { return shape_; }
  Index frame_pitch() const { return frame_pitch_; }
  Index frame_size() const;
  Index columns_size() const;
  Index table_size() const { return shape_.maps_out * n_terms(); }
  Index totals_step() const { return simd::padded<T>(shape_.n_positions()); }
  Index totals_size() const { return shape_.maps_out * totals_step(); }
  Index deltas_start() const { return margin_; }
  Index deltas_step() const { return margin_ + totals_step(); }
  Index deltas_size() const { return shape_.maps_out * deltas_step() + margin_ + simd::kLanes<T>; }

  void fill_frame(const T* x, T* frame) const;
  void fill_columns(const T* frame, T* columns) const;
  // The table of the kernels in theta; `buffer` (table_size) is used unless theta is the table.
  const T* table(const T* theta, T* buffer) const;

  void product(const T* table, const T* columns, T* totals) const;
  // gradient (kernels) = or += the sums over connections.
  void correlate(const T* deltas, const T* columns, bool add, T* gradient) const;
  // frame = what reaches the frame through the kernels of theta.
  void transposed_product(const T* theta, const T* deltas, T* frame) const;

  // gx = or += what lies on the image; where the image continues at its opposite edge, the sum.
  void fold_frame(const T* frame, bool add, T* gx) const;

 private:
  Index frame_step() const { return shape_.frame_height * frame_pitch_; }  // between maps
  Index n_terms() const { return shape_.maps_in * shape_.n_taps(); }
  Index phase_rows() const { return (shape_.frame_height + shape_.stride - 1) / shape_.stride; }
  Index column_size() const { return shape_.stride * phase_rows() * shape_.out_width; }
  Index column_at(Index i, Index a, Index b) const;
  void plan_products();
  void plan_correlations(const std::vector<std::vector<Index>>& targets);
  void plan_transposed(const std::vector<std::vector<Index>>& targets);
  void fold_columns(const T* columns, Index step, Index phase, T* frame) const;

  ConvShape shape_;
  Index frame_pitch_, margin_;
  std::vector<Index> kernel_at_;  // offset of each kernel in theta, by (output map, input map)
  struct Product {                // output maps that are summed over the same terms
    Index first, count;
    std::vector<Index> table_at, columns_at;
  };
  struct Correlation {  // output maps whose gradients have the same stretches of columns under them
    std::vector<Index> deltas_at, gradient_at, columns_at;
  };
  struct Transposed {  // rows of one remainder modulo the stride of one input map
    Index map, phase;
    Index terms_a_row;  // of the kernel
    std::vector<Index> kernel_at, deltas_at;
  };
  std::vector<Product> products_;
  std::vector<Correlation> correlations_;
  std::vector<Transposed> transposed_;
};

}  // namespace ebp

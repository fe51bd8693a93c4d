#include "ebp/curvature/hessian.h"

#include <algorithm>

#include "ebp/base/scratch.h"
#include "ebp/nn/dense.h"

namespace ebp {
namespace {

// Bytes that the rows of a block times its parameters may take.
constexpr Index kRowsMemory = 32 * 1024 * 1024;

// Fills one triangle of h (p, p) from the other, tile by tile so that both stay in the cache.
template <class T>
void mirror(Index p, bool from_lower, T* h) {
  constexpr Index kTile = 32;
  for (Index top = 0; top < p; top += kTile)
    for (Index left = 0; left <= top; left += kTile)
      for (Index i = top; i < std::min(top + kTile, p); ++i)
        for (Index j = left; j < std::min(left + kTile, i); ++j) {
          T &lower = h[i * p + j], &upper = h[j * p + i];
          (from_lower ? upper : lower) = from_lower ? lower : upper;
        }
}

// What one pass finds: the second derivatives of all weights that lead to one unit of a dense layer, or those
// of one parameter of another module.
struct Part {
  std::size_t stage;
  Index index;  // of the unit or of the parameter
  bool unit;
};

template <class T>
std::vector<Part> parts_of(const Network<T>& network) {
  std::vector<Part> parts;
  for (std::size_t s = 0; s < network.stages().size(); ++s) {
    const Module<T>& module = *network.stages()[s].module;
    const bool dense = dynamic_cast<const Dense<T>*>(&module) != nullptr;
    const Index count = dense ? module.n_outputs() : module.n_parameters();
    for (Index k = 0; k < count; ++k) parts.push_back({s, k, dense});
  }
  return parts;
}

// One thread's passes for parts of the exact Hessian of blocks of rows.
template <class T>
class ExactParts {
 public:
  ExactParts(const Network<T>& network, Index max_rows)
      : network_(network), pass_(network, max_rows), seed_(std::size_t(max_rows * network.n_outputs())) {
    dy_.resize(std::size_t(max_rows * widest_output(network)));
    unit_vector_.resize(std::size_t(network.n_parameters()), T(0));
  }

  // Adds to the rows of h (p, p) that belong to the part, from the first column of its stage on.
  void add_rows(const Linearization<T>& at, const Part& part, T* h) {
    if (part.unit)
      add_unit_rows(at, part, h);
    else
      add_parameter_row(at, part, h + (network_.stages()[part.stage].start + part.index) * p());
  }

  // Adds to h (p) the diagonal elements of the part.
  void add_diagonal(const Linearization<T>& at, const Part& part, T* h) {
    const auto& stage = network_.stages()[part.stage];
    if (part.unit) {
      unit_forward(at, part);
      const T* dgy = pass_.backward(at, part.stage + 1, nullptr, seed_.data(), nullptr);
      add_unit_diagonal(at, part, dgy, h + stage.start);
      return;
    }
    Scratch<T> row(p());
    std::fill_n(row.data() + stage.start, p() - stage.start, T(0));
    add_parameter_row(at, part, row.data());
    h[stage.start + part.index] += row.data()[stage.start + part.index];
  }

 private:
  Index p() const { return network_.n_parameters(); }

  // The tangents of dE/do, in seed_, when the unit's total input changes.
  void unit_forward(const Linearization<T>& at, const Part& part) {
    const Index o = network_.stages()[part.stage].module->n_outputs();
    std::fill_n(dy_.data(), at.n() * o, T(0));
    for (Index row = 0; row < at.n(); ++row) dy_[std::size_t(row * o + part.index)] = T(1);
    at.curvature_product(pass_.forward_from(at, part.stage, dy_.data()), seed_.data());
  }

  // With R (n, columns) the tangents of every row's gradient, a weight's row of H is the sum over rows of its
  // input times R, a bias's the sum of R.
  void add_unit_rows(const Linearization<T>& at, const Part& part, T* h) {
    const auto& stage = network_.stages()[part.stage];
    const auto& dense = static_cast<const Dense<T>&>(*stage.module);
    const Index i = dense.n_inputs(), columns = p() - stage.start, n = at.n();
    Scratch<T> rows(n * columns), sums((i + 1) * columns);
    unit_forward(at, part);
    const T* dgy = pass_.backward_rows(at, part.stage + 1, seed_.data(), columns, rows.data() - stage.start);
    const T* x = at.inputs(part.stage);
    dense.tangent_rows(n, at.theta() + stage.start, x, nullptr, at.gradients(part.stage), dgy, rows.data(),
                       columns);
    blas::gemm(blas::Op::kTransposed, blas::Op::kPlain, i, columns, n, x, rows.data(), T(0), sums.data());
    add(i, columns, sums.data(), h + (stage.start + part.index * i) * p() + stage.start);
    if (!dense.bias()) return;
    T* bias = sums.data() + i * columns;
    std::fill_n(bias, columns, T(0));
    for (Index row = 0; row < n; ++row)
      for (Index c = 0; c < columns; ++c) bias[c] += rows.data()[row * columns + c];
    add(1, columns, bias, h + (stage.start + dense.n_outputs() * i + part.index) * p() + stage.start);
  }

  // h (rows of p) += sums (n, columns)
  void add(Index n, Index columns, const T* sums, T* h) const {
    for (Index row = 0; row < n; ++row, h += p(), sums += columns)
      for (Index c = 0; c < columns; ++c) h[c] += sums[c];
  }

  // With b = d2E/dy2 of the unit in each row: the sum of b x_i^2, for the bias of b.
  void add_unit_diagonal(const Linearization<T>& at, const Part& part, const T* dgy, T* h) const {
    const auto& dense = static_cast<const Dense<T>&>(*network_.stages()[part.stage].module);
    const Index i = dense.n_inputs(), o = dense.n_outputs();
    const T* x = at.inputs(part.stage);
    for (Index row = 0; row < at.n(); ++row, x += i) {
      const T b = dgy[row * o + part.index];
      for (Index j = 0; j < i; ++j) h[part.index * i + j] += b * x[j] * x[j];
      if (dense.bias()) h[o * i + part.index] += b;
    }
  }

  // row (p) += one row of H, from the stage of its parameter on.
  void add_parameter_row(const Linearization<T>& at, const Part& part, T* row) {
    const auto& stage = network_.stages()[part.stage];
    const T *theta = at.theta() + stage.start, *x = at.inputs(part.stage);
    T* direction = unit_vector_.data();
    direction[part.index] = T(1);
    stage.module->forward_tangent(at.n(), theta, direction, x, nullptr, dy_.data());
    at.curvature_product(pass_.forward_from(at, part.stage, dy_.data()), seed_.data());
    const T* dgy = pass_.backward(at, part.stage + 1, nullptr, seed_.data(), row);
    stage.module->backward_tangent(at.n(), theta, direction, x, nullptr, at.gradients(part.stage), dgy,
                                   nullptr, row + stage.start);
    direction[part.index] = T(0);
  }

  const Network<T>& network_;
  DirectionalPass<T> pass_;
  AlignedVector<T> seed_, dy_, unit_vector_;
};

// Calls body(passes, linearisation, part) for every block and every part; threads share the parts.
template <class T, class Body>
void for_parts(const Network<T>& network, const T* theta, const Blocks<T>& blocks, Index n_threads,
               Body&& body) {
  const std::vector<Part> parts = parts_of(network);
  n_threads = std::clamp(n_threads, Index(1), std::max(Index(parts.size()), Index(1)));
  parallel(n_threads, [&](Index thread) {
    ExactParts<T> passes(network, blocks.rows());
    for (Index b = 0; b < blocks.size(); ++b) {
      const Linearization<T> at(network, theta, blocks[b], true);
      // in turn, as parts of lower stages take longer
      for (std::size_t k = std::size_t(thread); k < parts.size(); k += std::size_t(n_threads))
        body(passes, at, parts[k]);
    }
  });
}

// Rows of a block of which `values` numbers each fit into the memory for them.
template <class T>
Index rows_of(const Network<T>& network, const Batch<T>& batch, Index values) {
  const Index most = std::max(Index(1), kRowsMemory / (std::max(values, Index(1)) * Index(sizeof(T))));
  return std::min(largest_block(network, batch.n), most);
}

// J'DJ: the rows of F J for a square root F of D, their product with themselves added up block by block.
template <class T>
void gauss_newton(const Network<T>& network, const T* theta, const Batch<T>& batch, Index n_threads, T* h) {
  const Index p = network.n_parameters(), k = network.n_outputs();
  const Blocks<T> blocks(network, batch, rows_of(network, batch, k * p));
  parallel_sum(n_threads, blocks.size(), p * p, h, [&](Index, Share share, T* sum) {
    DirectionalPass<T> pass(network, blocks.rows());
    AlignedVector<T> seeds(std::size_t(k * blocks.rows() * k)), jacobian(std::size_t(k * blocks.rows() * p));
    for (Index b = share.begin; b < share.end; ++b) {
      const Linearization<T> at(network, theta, blocks[b], false);
      at.curvature_factors(seeds.data());
      for (Index q = 0; q < k; ++q)
        pass.backpropagate_rows(at, seeds.data() + q * at.n() * k, p, jacobian.data() + q * at.n() * p);
      blas::syrk(blas::Op::kTransposed, p, k * at.n(), jacobian.data(), T(1), sum);
    }
  });
  mirror(p, true, h);
}

// The passes of gauss_newton, but with the squares of the rows alone.
template <class T>
void gauss_newton_diagonal(const Network<T>& network, const T* theta, const Batch<T>& batch, Index n_threads,
                           T* h) {
  const Index k = network.n_outputs(), widest = widest_output(network);
  const Blocks<T> blocks(network, batch, rows_of(network, batch, 2 * k * widest));
  parallel_sum(n_threads, blocks.size(), network.n_parameters(), h, [&](Index, Share share, T* sum) {
    AlignedVector<T> above(std::size_t(k * blocks.rows() * widest)), below(above.size());
    for (Index b = share.begin; b < share.end; ++b) {
      const Linearization<T> at(network, theta, blocks[b], false);
      at.curvature_factors(above.data());
      for (std::size_t s = network.stages().size(); s-- > 0;) {
        const auto& stage = network.stages()[s];
        const Index i = stage.module->n_inputs(), o = stage.module->n_outputs();
        stage.module->add_squared_gradients(k, at.n(), theta + stage.start, at.inputs(s), above.data(),
                                            sum + stage.start);
        for (Index q = 0; s > 0 && q < k; ++q)
          stage.module->backward(at.n(), theta + stage.start, at.inputs(s), above.data() + q * at.n() * o,
                                 below.data() + q * at.n() * i, nullptr);
        above.swap(below);
      }
    }
  });
}

}  // namespace

template <class T>
void hessian(const Network<T>& network, const T* theta, const Batch<T>& batch, Hessian kind, Index n_threads,
             T* h) {
  if (kind == Hessian::kGaussNewton) return gauss_newton(network, theta, batch, n_threads, h);
  const Index p = network.n_parameters();
  std::fill_n(h, p * p, T(0));
  const Blocks<T> blocks(network, batch, rows_of(network, batch, p));
  for_parts(network, theta, blocks, n_threads,
            [&](ExactParts<T>& passes, const Linearization<T>& at, const Part& part) {
              passes.add_rows(at, part, h);
            });
  mirror(p, false, h);
}

template <class T>
void hessian_diagonal(const Network<T>& network, const T* theta, const Batch<T>& batch, Hessian kind,
                      Index n_threads, T* h) {
  if (kind == Hessian::kGaussNewton) return gauss_newton_diagonal(network, theta, batch, n_threads, h);
  std::fill_n(h, network.n_parameters(), T(0));
  for_parts(network, theta, Blocks<T>(network, batch), n_threads,
            [&](ExactParts<T>& passes, const Linearization<T>& at, const Part& part) {
              passes.add_diagonal(at, part, h);
            });
}

template void hessian(const Network<float>&, const float*, const Batch<float>&, Hessian, Index, float*);
template void hessian(const Network<double>&, const double*, const Batch<double>&, Hessian, Index, double*);
template void hessian_diagonal(const Network<float>&, const float*, const Batch<float>&, Hessian, Index,
                               float*);
template void hessian_diagonal(const Network<double>&, const double*, const Batch<double>&, Hessian, Index,
                               double*);

}  // namespace ebp

#include "ebp/nn/batch.h"

#include <vector>

namespace ebp {

template <class T>
double loss_and_gradient(const Network<T>& network, const T* theta, const Batch<T>& batch, Index n_threads,
                         T* g) {
  const Blocks<T> blocks(network, batch);
  std::vector<double> losses(std::size_t(blocks.size()), 0.0);
  parallel_sum(n_threads, blocks.size(), network.n_parameters(), g, [&](Index, Share share, T* sum) {
    Tape<T> tape(network, blocks.rows());
    std::vector<T> values(std::size_t(blocks.rows()));
    for (Index b = share.begin; b < share.end; ++b) {
      const Batch<T> block = blocks[b];
      tape.add_gradient(block.n, theta, block.x, block.t, block.weights, sum, values.data());
      for (Index row = 0; row < block.n; ++row) losses[std::size_t(b)] += double(values[std::size_t(row)]);
    }
  });
  double total = 0;
  for (const double loss : losses) total += loss;
  return total;
}

template <class T>
void backpropagated_diagonal(const Network<T>& network, const T* theta, const Batch<T>& batch,
                             Index n_threads, T* h) {
  const Blocks<T> blocks(network, batch);
  parallel_sum(n_threads, blocks.size(), network.n_parameters(), h, [&](Index, Share share, T* sum) {
    Tape<T> tape(network, blocks.rows());
    for (Index b = share.begin; b < share.end; ++b) {
      const Batch<T> block = blocks[b];
      tape.add_curvature(block.n, theta, block.x, block.t, block.weights, sum);
    }
  });
}

template double loss_and_gradient(const Network<float>&, const float*, const Batch<float>&, Index, float*);
template double loss_and_gradient(const Network<double>&, const double*, const Batch<double>&, Index,
                                  double*);
template void backpropagated_diagonal(const Network<float>&, const float*, const Batch<float>&, Index,
                                      float*);
template void backpropagated_diagonal(const Network<double>&, const double*, const Batch<double>&, Index,
                                      double*);

}  // namespace ebp

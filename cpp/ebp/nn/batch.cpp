#include "ebp/nn/batch.h"

#include <vector>

namespace ebp {

template <class T>
double loss_and_gradient(const Network<T>& network, const T* theta, const Batch<T>& batch, Index n_threads,
                         T* g) {
  std::vector<double> losses(std::size_t(std::max<Index>(n_threads, 1)), 0.0);
  sum_over_rows(network, batch, n_threads, network.n_parameters(), g,
                [&](Index thread, const Batch<T>& share, T* sum) {
                  Tape<T> tape(network, largest_block(network, share.n));
                  std::vector<T> values(std::size_t(largest_block(network, share.n)));
                  for_blocks(network, share, [&](const Batch<T>& block) {
                    tape.add_gradient(block.n, theta, block.x, block.t, block.weights, sum, values.data());
                    for (Index row = 0; row < block.n; ++row)
                      losses[std::size_t(thread)] += double(values[std::size_t(row)]);
                  });
                });
  double total = 0;
  for (const double loss : losses) total += loss;
  return total;
}

template double loss_and_gradient(const Network<float>&, const float*, const Batch<float>&, Index, float*);
template double loss_and_gradient(const Network<double>&, const double*, const Batch<double>&, Index,
                                  double*);

}  // namespace ebp

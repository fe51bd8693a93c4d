#include "ebp/curvature/hessian_product.h"

#include <algorithm>

namespace ebp {
template <class T>
HessianProduct<T>::HessianProduct(const Network<T>& network, const T* theta, const Batch<T>& batch,
                                  Hessian kind, Index n_threads, Index most_kept)
    : network_(network),
      theta_(theta, theta + network.n_parameters()),
      blocks_(network, batch),
      kind_(kind),
      n_threads_(n_threads) {
  if (batch.n * Linearization<T>::row_bytes(network) > most_kept) return;
  kept_.resize(std::size_t(blocks_.size()));
  n_threads = std::clamp(n_threads, Index(1), std::max(blocks_.size(), Index(1)));
  parallel(n_threads, [&](Index thread) {
    const Share share(blocks_.size(), thread, n_threads);
    for (Index b = share.begin; b < share.end; ++b) kept_[std::size_t(b)] = linearize(b);
  });
}

template <class T>
std::unique_ptr<const Linearization<T>> HessianProduct<T>::linearize(Index b) const {
  return std::make_unique<Linearization<T>>(network_, theta_.data(), blocks_[b], kind_ == Hessian::kExact);
}

template <class T>
void HessianProduct<T>::apply(const T* v, T* product) const {
  parallel_sum(n_threads_, blocks_.size(), network_.n_parameters(), product, [&](Index, Share share, T* sum) {
    DirectionalPass<T> pass(network_, blocks_.rows());
    AlignedVector<T> seed(std::size_t(blocks_.rows() * network_.n_outputs()));
    std::unique_ptr<const Linearization<T>> fresh;
    for (Index b = share.begin; b < share.end; ++b) {
      if (kept_.empty()) fresh = linearize(b);
      const Linearization<T>& at = kept_.empty() ? *fresh : *kept_[std::size_t(b)];
      const T* dy = pass.forward(at, v);
      if (!dy) continue;  // a network without parameters
      at.curvature_product(dy, seed.data());
      if (kind_ == Hessian::kExact)
        pass.backward(at, 0, v, seed.data(), sum);
      else
        pass.backpropagate(at, seed.data(), sum);
    }
  });
}

template class HessianProduct<float>;
template class HessianProduct<double>;

}  // namespace ebp

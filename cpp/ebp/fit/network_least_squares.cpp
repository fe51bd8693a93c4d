#include "ebp/fit/network_least_squares.h"

#include <cmath>
#include <type_traits>

#include "ebp/curvature/hessian.h"

namespace ebp::fit {
template <class T>
NetworkLeastSquares<T>::NetworkLeastSquares(const Task<T>& task, bool normal)
    : at_(task),
      normal_only_(normal),
      block_rows_(std::min(largest_block(task.network, task.batch.n),
                           (task.batch.n + task.n_threads - 1) / task.n_threads)),
      root_decay_(std::sqrt(task.weight_decay * at_.total_weight())),
      direction_(std::size_t(task.network.n_parameters())) {
  for (Index row = 0; task.batch.weights && row < task.batch.n; ++row)
    root_weights_.push_back(std::sqrt(double(task.batch.weights[row])));
  for (Index thread = 0; thread < task.n_threads; ++thread) workers_.emplace_back(task.network, block_rows_);
}

template <class T>
Index NetworkLeastSquares<T>::n_residuals() const {
  return at_.task().batch.n * at_.task().network.n_outputs() + Index(at_.decayed().size());
}

template <class T>
template <class Body>
void NetworkLeastSquares<T>::for_blocks(Body&& body) {
  const Task<T>& task = at_.task();
  const Index n_blocks = (task.batch.n + block_rows_ - 1) / block_rows_;
  const Index part = std::max(at_.part_rows(at_.pass_cost()) / block_rows_, Index(1)) * task.n_threads;
  for (Index start = 0; start < n_blocks; start += part) {
    if (task.poll) task.poll();
    const Index count = std::min(part, n_blocks - start), n_threads = std::min(task.n_threads, count);
    parallel(n_threads, [&](Index thread) {
      const Share mine(count, thread, n_threads);
      for (Index number = start + mine.begin; number < start + mine.end; ++number) {
        const Index rows = std::min(block_rows_, task.batch.n - first_row(number));
        body(workers_[std::size_t(thread)], task.batch.slice(task.network, first_row(number), rows), number);
      }
    });
  }
}

template <class T>
template <class Body>
void NetworkLeastSquares<T>::with_states(const Batch<T>& block, Index number, Body&& body) {
  if (!kept_.empty()) return body(*kept_[std::size_t(number)]);
  body(Linearization<T>(at_.task().network, linear_theta_.data(), block, false));
}

template <class T>
void NetworkLeastSquares<T>::residuals(const Vector& x, Vector& r) {
  const Task<T>& task = at_.task();
  if (!at_.move(x)) {
    r.setConstant(std::numeric_limits<double>::quiet_NaN());
    return;
  }
  const Index k = task.network.n_outputs();
  for_blocks([&](Worker& worker, const Batch<T>& block, Index number) {
    const T* outputs = worker.tape.forward(block.n, at_.theta(), block.x);
    for (Index row = 0; row < block.n; ++row) {
      const double root = root_weight(first_row(number) + row);
      for (Index i = row * k; i < (row + 1) * k; ++i)
        r[first_row(number) * k + i] = root * (double(outputs[i]) - double(block.t[i]));
    }
  });
  Index next = task.batch.n * k;
  for (const Index parameter : at_.decayed()) r[next++] = root_decay_ * x[parameter];
  best_.offer(r.squaredNorm() / 2, x);
}

template <class T>
void NetworkLeastSquares<T>::linearize(const Vector& x) {
  const Task<T>& task = at_.task();
  at_.move(x);
  linear_theta_.assign(at_.theta(), at_.theta() + n_parameters());
  kept_.clear();
  if (!normal_only_) {
    if (Linearization<T>::row_bytes(task.network) > kMostKept / task.batch.n) return;
    kept_.resize(std::size_t((task.batch.n + block_rows_ - 1) / block_rows_));
    for_blocks([&](Worker&, const Batch<T>& block, Index number) {
      kept_[std::size_t(number)] =
          std::make_unique<Linearization<T>>(task.network, linear_theta_.data(), block, false);
    });
    return;
  }
  const Index p = n_parameters();
  const double row_cost = double(task.network.n_outputs()) * (double(p) * double(p) + at_.pass_cost());
  normal_.setZero(p, p);
  Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor> sum(p, p);
  at_.for_parts(row_cost, [&](const Batch<T>& part) {
    hessian(task.network, at_.theta(), part, Hessian::kGaussNewton, task.n_threads, sum.data());
    normal_ += sum.template cast<double>();
  });
  for (const Index k : at_.decayed()) normal_(k, k) += root_decay_ * root_decay_;
}

template <class T>
void NetworkLeastSquares<T>::product(const Vector& v, Vector& jv) {
  const Index k = at_.task().network.n_outputs();
  const double length = v.norm();
  for (Index i = 0; i < v.size(); ++i) direction_[std::size_t(i)] = length > 0 ? T(v[i] / length) : T(0);
  for_blocks([&](Worker& worker, const Batch<T>& block, Index number) {
    with_states(block, number, [&](const Linearization<T>& states) {
      const T* tangents = worker.pass.forward(states, direction_.data());
      for (Index row = 0; row < block.n; ++row) {
        const double factor = length * root_weight(first_row(number) + row);
        for (Index i = row * k; i < (row + 1) * k; ++i)
          jv[first_row(number) * k + i] = factor * double(tangents[i]);
      }
    });
  });
  Index next = at_.task().batch.n * k;
  for (const Index parameter : at_.decayed()) jv[next++] = root_decay_ * v[parameter];
}

template <class T>
void NetworkLeastSquares<T>::transposed_product(const Vector& u, Vector& jtu) {
  const Index k = at_.task().network.n_outputs();
  for (Worker& worker : workers_) std::fill(worker.sum.begin(), worker.sum.end(), T(0));
  for_blocks([&](Worker& worker, const Batch<T>& block, Index number) {
    for (Index row = 0; row < block.n; ++row) {
      const double root = root_weight(first_row(number) + row);
      for (Index i = row * k; i < (row + 1) * k; ++i)
        worker.rows[std::size_t(i)] = T(root * u[first_row(number) * k + i]);
    }
    with_states(block, number, [&](const Linearization<T>& states) {
      worker.pass.backpropagate(states, worker.rows.data(), worker.sum.data());
    });
  });
  jtu.setZero();
  for (const Worker& worker : workers_)
    for (Index i = 0; i < jtu.size(); ++i) jtu[i] += double(worker.sum[std::size_t(i)]);
  Index next = at_.task().batch.n * k;
  for (const Index parameter : at_.decayed()) jtu[parameter] += root_decay_ * u[next++];
}

template <class T>
double NetworkLeastSquares<T>::squared_product(const Vector& v) {
  if (!normal_only_) return optimize::LeastSquares::squared_product(v);
  return v.dot(normal_.template selfadjointView<Eigen::Lower>() * v);
}

template <class T>
void NetworkLeastSquares<T>::column_norms(Vector& norms) {
  if (normal_only_) {
    norms = normal_.diagonal().cwiseSqrt();
    return;
  }
  const Task<T>& task = at_.task();
  AlignedVector<T> sum(static_cast<std::size_t>(n_parameters()));
  norms.setZero();
  at_.for_parts(double(task.network.n_outputs()) * at_.pass_cost(), [&](const Batch<T>& part) {
    hessian_diagonal(task.network, at_.theta(), part, Hessian::kGaussNewton, task.n_threads, sum.data());
    for (Index i = 0; i < norms.size(); ++i) norms[i] += double(sum[std::size_t(i)]);
  });
  for (const Index k : at_.decayed()) norms[k] += root_decay_ * root_decay_;
  norms = norms.cwiseSqrt();
}

template class NetworkLeastSquares<float>;
template class NetworkLeastSquares<double>;

}  // namespace ebp::fit

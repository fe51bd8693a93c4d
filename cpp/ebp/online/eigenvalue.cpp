#include "ebp/online/eigenvalue.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ebp/nn/tape.h"

namespace ebp {
namespace {

double norm(const double* psi, Index p) { return std::sqrt(std::inner_product(psi, psi + p, psi, 0.0)); }

}  // namespace

void online_eigenvalue(const Network<double>& network, const Samples<double>& samples, const Index* order,
                       Index n, double alpha, double shift, const double* gammas, double* psi, double* norms,
                       const std::function<void()>& pulse) {
  const Index p = network.n_parameters(), k = network.n_outputs();
  const double* theta = network.parameters();
  Tape<double> tape(network, 1);
  Feed<double> feed(samples, network.n_inputs());
  AlignedVector<double> moved(static_cast<std::size_t>(p)), here(moved.size()), there(moved.size());
  for (Index step = 0; step < n; ++step) {
    if (pulse) pulse();
    const double* x = feed.row(order[step]);
    const double* t = samples.t + order[step] * k;
    const double* weight = samples.weights ? samples.weights + order[step] : nullptr;
    const double length = norm(psi, p), reach = alpha / length;
    for (Index i = 0; i < p; ++i) moved[std::size_t(i)] = theta[i] + reach * psi[i];
    std::fill(here.begin(), here.end(), 0.0);
    std::fill(there.begin(), there.end(), 0.0);
    tape.add_gradient(1, theta, x, t, weight, here.data(), nullptr);
    tape.add_gradient(1, moved.data(), x, t, weight, there.data(), nullptr);
    const double gamma = gammas[step];
    for (Index i = 0; i < p; ++i) {
      const double product = (there[std::size_t(i)] - here[std::size_t(i)]) / alpha;
      psi[i] = (1 - gamma) * psi[i] + gamma * (product + shift / length * psi[i]);
    }
    norms[step] = norm(psi, p);
  }
}

}  // namespace ebp

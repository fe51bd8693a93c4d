#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <stdexcept>

#include "ebp/fit/network_least_squares.h"
#include "ebp/fit/network_objective.h"
#include "networks.h"

namespace ebp::fit {
namespace {

constexpr Index kRows = 700;  // more than one block

template <class T>
struct Data {
  std::unique_ptr<Network<T>> network = tests::make_network<T>({4, 6, 2});
  AlignedVector<T> x = tests::values<T>(kRows * 4, 1), t = tests::values<T>(kRows * 2, 2),
                   weights = tests::values<T>(kRows, 3);
  Vector theta;

  Data() {
    for (T& weight : weights) weight = T(1) + weight / 2;
    theta = Eigen::Map<const Eigen::Matrix<T, Eigen::Dynamic, 1>>(network->parameters(), p())
                .template cast<double>();
  }
  Index p() const { return network->n_parameters(); }
  Task<T> task(Index n_threads, double weight_decay = 0.1) const {
    return {*network, {kRows, x.data(), t.data(), weights.data()}, weight_decay, n_threads, nullptr};
  }
};

double distance(const Vector& a, const Vector& b) { return (a - b).norm() / b.norm(); }

Vector direction(Index p) { return Vector::LinSpaced(p, -1, 1).array().sin(); }

}  // namespace

TEST_CASE("both forms of a task have the same value, gradient and products") {
  const Data<double> data;
  const Index p = data.p();
  for (const Index n_threads : {1, 3}) {
    NetworkObjective<double> objective(data.task(n_threads), true);
    Vector gradient(p);
    const double value = objective.evaluate(data.theta, gradient);
    CHECK(objective.best().value == value);
    for (const bool normal : {true, false}) {
      NetworkLeastSquares<double> problem(data.task(n_threads), normal);
      const Index m = problem.n_residuals();
      CHECK(m == kRows * 2 + 4 * 6 + 6 * 2);
      Vector r(m), jr(p), norms(p), jv(m), jtjv(p);
      problem.residuals(data.theta, r);
      CHECK(r.squaredNorm() / 2 == doctest::Approx(value * problem.total_weight()));
      problem.linearize(data.theta);
      problem.transposed_product(r, jr);
      CHECK(distance(jr / problem.total_weight(), gradient) < 1e-12);
      const Vector v = direction(p);
      problem.product(v, jv);
      CHECK(problem.squared_product(v) == doctest::Approx(jv.squaredNorm()));
      problem.transposed_product(jv, jtjv);
      problem.column_norms(norms);
      if (!normal) continue;
      Matrix jtj(p, p);
      problem.normal_matrix(jtj);
      CHECK(distance(jtj.selfadjointView<Eigen::Lower>() * v, jtjv) < 1e-12);
      CHECK(distance(norms, jtj.diagonal().cwiseSqrt()) < 1e-15);
    }
  }
}

TEST_CASE("products stay at the point of linearize() while other points are tried") {
  const Data<double> data;
  NetworkLeastSquares<double> problem(data.task(1), false);
  Vector r(problem.n_residuals()), before(r.size()), after(r.size());
  problem.linearize(data.theta);
  problem.product(direction(data.p()), before);
  problem.residuals(2 * data.theta, r);
  problem.product(direction(data.p()), after);
  CHECK((before.array() == after.array()).all());
}

TEST_CASE("the Hessian of a task agrees with its products and with differences of the gradient") {
  const Data<double> data;
  const Index p = data.p();
  NetworkObjective<double> objective(data.task(2), true);
  Matrix h(p, p);
  objective.hessian(data.theta, h);
  const Vector v = direction(p);
  Vector product(p), high(p), low(p);
  objective.hessian_product(data.theta, v, product);
  CHECK(distance(product, h * v) < 1e-12);
  objective.evaluate(data.theta + 1e-5 * v, high);
  objective.evaluate(data.theta - 1e-5 * v, low);
  CHECK(distance((high - low) / 2e-5, product) < 1e-7);
}

TEST_CASE("points beyond the range of the network's type have no value") {
  const Data<float> data;
  Vector x = data.theta, gradient(data.p());
  x[0] = 1e300;
  NetworkObjective<float> objective(data.task(1), false);
  CHECK(std::isnan(objective.evaluate(x, gradient)));
  CHECK(objective.best().x.size() == 0);
  NetworkLeastSquares<float> problem(data.task(1), true);
  Vector r(problem.n_residuals());
  problem.residuals(x, r);
  CHECK(r.hasNaN());
}

TEST_CASE("a poll may end a pass, and the best point remains") {
  const Data<double> data;
  Task<double> task = data.task(2);
  int polls = 0;
  task.poll = [&] {
    if (++polls == 2) throw std::runtime_error("enough");
  };
  NetworkObjective<double> objective(task, false);
  Vector gradient(data.p());
  const double value = objective.evaluate(data.theta, gradient);
  CHECK_THROWS_WITH(objective.evaluate(2 * data.theta, gradient), "enough");
  CHECK(objective.best().value == value);
  CHECK((objective.best().x.array() == data.theta.array()).all());
}

}  // namespace ebp::fit

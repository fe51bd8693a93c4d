#include <doctest/doctest.h>

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "ebp/optimize/bfgs.h"
#include "ebp/optimize/conjugate_gradient.h"
#include "ebp/optimize/gauss_newton.h"
#include "ebp/optimize/lbfgs.h"
#include "ebp/optimize/levenberg_marquardt.h"
#include "ebp/optimize/newton.h"

namespace ebp::optimize {
namespace {

// Numbers without a pattern, between -1 and 1.
Matrix numbers(Index rows, Index columns) {
  Matrix m(rows, columns);
  for (Index k = 0; k < m.size(); ++k) {
    const double x = 43758.5453 * std::sin(12.9898 * double(k + 1) + double(rows));
    m.data()[k] = 2 * (x - std::floor(x)) - 1;
  }
  return m;
}

double distance(const Vector& a, const Vector& b) { return (a - b).norm() / b.norm(); }

// x'A x / 2 - b'x
class Quadratic : public Objective {
 public:
  explicit Quadratic(Index n) : a_(n, n), b_(numbers(n, 1)) {
    const Matrix root = numbers(n, n);
    a_ = root * root.transpose() + Matrix::Identity(n, n);
  }
  Index size() const override { return b_.size(); }
  double evaluate(const Vector& x, Vector& gradient) override {
    gradient = a_ * x - b_;
    return 0.5 * x.dot(a_ * x) - b_.dot(x);
  }
  bool has_hessian() const override { return true; }
  void hessian(const Vector&, Matrix& h) override { h = a_; }
  Vector minimum() const { return a_.llt().solve(b_); }

  Matrix a_;
  Vector b_;
};

// A function of one parameter.
class Curve : public Objective {
 public:
  using Function = double (*)(double);
  Curve(Function value, Function slope) : value_(value), slope_(slope) {}
  Index size() const override { return 1; }
  double evaluate(const Vector& x, Vector& gradient) override {
    gradient[0] = slope_(x[0]);
    return value_(x[0]);
  }

 private:
  Function value_, slope_;
};

Point point_at(Objective& objective, const Vector& x) {
  Point point{x, 0, Vector(x.size())};
  point.value = objective.evaluate(point.x, point.gradient);
  return point;
}

// r = A x - b, with A given.
class Linear : public LeastSquares {
 public:
  explicit Linear(const Matrix& a) : a_(a), b_(numbers(a.rows(), 1)) {}
  Index n_parameters() const override { return a_.cols(); }
  Index n_residuals() const override { return a_.rows(); }
  void residuals(const Vector& x, Vector& r) override { r = a_ * x - b_; }
  void jacobian(const Vector&, Matrix& j) override { j = a_; }

  Matrix a_;
  Vector b_;
};

Vector step_of(LinearSolver kind, LeastSquares& problem, const Vector& r, const Vector& scale, double mu) {
  StepSolverOptions options;
  options.solver = kind;
  options.tolerance = 1e-13;
  const auto solver = make_step_solver(options);
  Vector step, gradient(scale.size());
  problem.transposed_product(r, gradient);
  solver->prepare(problem, r, gradient, scale);
  REQUIRE(solver->solve(mu, step));
  return step;
}

constexpr LinearSolver kSolvers[] = {LinearSolver::kQr, LinearSolver::kCholesky,
                                     LinearSolver::kConjugateGradient};

DescentOptions exact() {
  DescentOptions options;
  options.gradient_tolerance = 1e-12;
  options.line_search.c2 = 1e-10;
  return options;
}

}  // namespace

TEST_CASE("the line search is exact on a quadratic, whatever its first step") {
  Quadratic quadratic(6);
  for (const double initial : {1e-6, 0.3, 1.0, 1e5}) {
    Point point = point_at(quadratic, Vector::Zero(6));
    const Vector d = -point.gradient;
    const double expected = d.squaredNorm() / d.dot(quadratic.a_ * d);
    Counts counts;
    LineSearchOptions options;
    options.c2 = 1e-10;
    const auto outcome = LineSearch(options).search(quadratic, point, d, initial, counts);
    CHECK(outcome.ok);
    CHECK(outcome.step == doctest::Approx(expected).epsilon(1e-9));
    CHECK(distance(point.x, expected * d) < 1e-9);
    CHECK(counts.values <= 20);
  }
}

TEST_CASE("the line search meets both conditions on curves of many shapes") {
  Curve curves[] = {
      {[](double x) { return -x / (x * x + 2); },
       [](double x) { return (x * x - 2) / ((x * x + 2) * (x * x + 2)); }},
      {[](double x) { return std::pow(x + 0.004, 5) - 2 * std::pow(x + 0.004, 4); },
       [](double x) { return 5 * std::pow(x + 0.004, 4) - 8 * std::pow(x + 0.004, 3); }},
      {[](double x) { return x < 1 ? -std::log(1 - x) - 3 * x : std::nan(""); },
       [](double x) { return x < 1 ? 1 / (1 - x) - 3 : std::nan(""); }},
      {[](double x) { return std::sin(5 * x) / 10 - x + x * x / 4; },
       [](double x) { return std::cos(5 * x) / 2 - 1 + x / 2; }},
  };
  for (Curve& curve : curves) {
    for (const double initial : {1e-3, 0.1, 1.0, 10.0, 1e3}) {
      for (const double c2 : {0.9, 0.1, 1e-3}) {
        Point point = point_at(curve, Vector::Zero(1));
        const Point start = point;
        const Vector d = Vector::Ones(1);
        Counts counts;
        LineSearchOptions options;
        options.c2 = c2;
        const auto outcome = LineSearch(options).search(curve, point, d, initial, counts);
        CHECK(outcome.ok);
        CHECK(point.x[0] == outcome.step);
        CHECK(std::abs(point.gradient[0]) <= -c2 * start.gradient[0]);
        CHECK(point.value <= start.value + std::min(1e-4, c2 / 2) * outcome.step * start.gradient[0]);
      }
    }
  }
}

TEST_CASE("a line search that fails leaves the best point it saw") {
  // The slope is wrong: the value rises along the direction that should descend.
  Curve wrong([](double x) { return x * x + x; }, [](double) { return -1.0; });
  Point point = point_at(wrong, Vector::Zero(1));
  Counts counts;
  auto outcome = LineSearch({}).search(wrong, point, Vector::Ones(1), 1, counts);
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.step == 0);
  CHECK(point.x[0] == 0);
  CHECK(point.value == 0);
  CHECK(point.gradient[0] == -1);

  // Falls without end: what was reached counts.
  Curve endless([](double x) { return -x; }, [](double) { return -1.0; });
  point = point_at(endless, Vector::Zero(1));
  LineSearchOptions few;
  few.max_evaluations = 5;
  outcome = LineSearch(few).search(endless, point, Vector::Ones(1), 1, counts);
  CHECK_FALSE(outcome.ok);
  CHECK(outcome.step > 1);
  CHECK(point.value == -outcome.step);
}

TEST_CASE("on a quadratic Newton takes one step, conjugate gradient and BFGS take n") {
  constexpr Index n = 7;
  Quadratic quadratic(n);
  const Vector start = numbers(n, 1) * 3;
  NewtonDirection newton;
  DescentResult result = descend(quadratic, start, newton, exact(), nullptr);
  CHECK(converged(result.stop));
  CHECK(result.iterations == 1);
  CHECK(distance(result.point.x, quadratic.minimum()) < 1e-12);
  for (const Beta beta : {Beta::kPolakRibiere, Beta::kFletcherReeves}) {
    ConjugateGradientDirection direction(beta);
    DescentOptions options = exact();
    options.gradient_tolerance = 1e-8;
    result = descend(quadratic, start, direction, options, nullptr);
    CHECK(result.iterations <= n);
    CHECK(distance(result.point.x, quadratic.minimum()) < 1e-7);
  }
  for (const bool scaled : {false, true}) {
    BfgsDirection bfgs(n, scaled);
    DescentOptions options = exact();
    options.gradient_tolerance = 0;
    options.max_iterations = n;
    descend(quadratic, start, bfgs, options, nullptr);
    const Matrix inverse = quadratic.a_.inverse();
    CHECK((bfgs.inverse_hessian() - inverse).norm() < 1e-6 * inverse.norm());
  }
}

TEST_CASE("L-BFGS with enough memory repeats BFGS") {
  Quadratic quadratic(5);
  const Vector start = numbers(5, 1) * 2;
  DescentOptions options;
  options.max_iterations = 1;
  // The matrix of the two-loop recursion starts anew from the latest pair, so they agree after one update.
  BfgsDirection bfgs(5, true);
  LbfgsDirection lbfgs(10);
  const DescentResult a = descend(quadratic, start, bfgs, options, nullptr);
  const DescentResult b = descend(quadratic, start, lbfgs, options, nullptr);
  Vector da(5), db(5);
  Counts counts;
  bfgs.compute(quadratic, a.point, da, counts);
  lbfgs.compute(quadratic, b.point, db, counts);
  CHECK(distance(db, da) < 1e-12);
}

TEST_CASE("every solver meets the damped normal equations") {
  Linear problem(numbers(9, 4));
  Vector x = numbers(4, 1), r(9);
  problem.residuals(x, r);
  problem.linearize(x);
  const Vector scale = numbers(4, 1).cwiseAbs() + Vector::Constant(4, 0.1);
  for (const LinearSolver kind : kSolvers) {
    for (const double mu : {1e-8, 0.5, 30.0}) {
      const Vector step = step_of(kind, problem, r, scale, mu);
      const Vector left = problem.a_.transpose() * (problem.a_ * step + r) +
                          mu * scale.cwiseProduct(scale.cwiseProduct(step));
      CHECK(left.norm() < 1e-10 * (problem.a_.transpose() * r).norm());
    }
  }
}

TEST_CASE("damping leads from the Gauss-Newton step to scaled steepest descent") {
  Linear problem(numbers(9, 4));
  const Vector x = Vector::Zero(4);
  Vector r(9), scale(4);
  problem.residuals(x, r);
  problem.linearize(x);
  problem.column_norms(scale);
  const Vector g = problem.a_.transpose() * r;
  const Vector newton = -(problem.a_.transpose() * problem.a_).llt().solve(g);
  const Vector steepest = -g.cwiseQuotient(scale).cwiseQuotient(scale);
  REQUIRE(distance(steepest, newton) > 0.1);
  for (const LinearSolver kind : kSolvers) {
    CHECK(distance(step_of(kind, problem, r, scale, 0), newton) < 1e-11);
    CHECK(distance(step_of(kind, problem, r, scale, 1e-12), newton) < 1e-9);
    CHECK(distance(1e12 * step_of(kind, problem, r, scale, 1e12), steepest) < 1e-9);
  }
}

TEST_CASE("a Jacobian short of rank: the shortest step, or damping") {
  Matrix a = numbers(9, 4);
  a.col(3) = a.col(0) + a.col(1);
  Linear problem(a);
  const Vector x = Vector::Zero(4), ones = Vector::Ones(4);
  Vector r(9);
  problem.residuals(x, r);
  problem.linearize(x);
  const Vector shortest = a.completeOrthogonalDecomposition().solve(problem.b_);
  CHECK(distance(step_of(LinearSolver::kQr, problem, r, ones, 0), shortest) < 1e-10);
  CHECK(distance(step_of(LinearSolver::kCholesky, problem, r, ones, 0), shortest) < 1e-10);

  LeastSquaresOptions options;
  options.linear.solver = LinearSolver::kCholesky;
  const auto cholesky = make_step_solver(options.linear);
  Matrix zero = a;
  zero.col(3).setZero();
  Linear flat(zero);
  CHECK(converged(gauss_newton(flat, ones, *cholesky, options, nullptr).stop));
  for (const LinearSolver kind : kSolvers) {
    options.linear.solver = kind;
    const auto solver = make_step_solver(options.linear);
    NielsenDamping damping(options.initial_damping);
    const LeastSquaresResult result = levenberg_marquardt(problem, ones, damping, *solver, options, nullptr);
    CHECK(converged(result.stop));
    const double best = 0.5 * (a * shortest - problem.b_).squaredNorm();
    CHECK(result.cost() == doctest::Approx(best).epsilon(1e-10));
  }
}

TEST_CASE("the callback stops, and what it throws arrives") {
  Quadratic quadratic(5);
  BfgsDirection bfgs(5, true);
  const auto twice = [](const Iterate& at) { return at.iteration == 2; };
  const DescentResult result = descend(quadratic, numbers(5, 1), bfgs, {}, twice);
  CHECK(result.stop == Stop::kCallback);
  CHECK(result.iterations == 2);
  const auto thrown = [](const Iterate&) -> bool { throw std::runtime_error("mine"); };
  BfgsDirection fresh(5, true);
  CHECK_THROWS_WITH(descend(quadratic, numbers(5, 1), fresh, {}, thrown), "mine");
}

TEST_CASE("damping falls after good steps and rises faster and faster") {
  NielsenDamping damping(1);
  damping.accept(1);
  CHECK(damping.mu() == doctest::Approx(1.0 / 3));
  damping.accept(0.5);
  CHECK(damping.mu() == doctest::Approx(1.0 / 3));
  damping.reject();
  damping.reject();
  damping.reject();
  CHECK(damping.mu() == doctest::Approx(64.0 / 3));
}

TEST_CASE("a trust region keeps steps as long as its radius") {
  Linear problem(numbers(9, 4));
  const Vector x = 1e-2 * numbers(4, 1), scale = Vector::LinSpaced(4, 1, 2);
  Vector r(9), gradient(4), step;
  problem.residuals(x, r);
  problem.linearize(x);
  problem.transposed_product(r, gradient);
  StepSolverOptions options;
  options.solver = LinearSolver::kCholesky;
  const auto solver = make_step_solver(options);
  solver->prepare(problem, r, gradient, scale);
  const auto length = [&] { return scale.cwiseProduct(step).norm(); };
  TrustRegionDamping damping;
  const auto propose = [&] { return damping.propose(*solver, {x, gradient, scale}, step); };
  REQUIRE(propose());
  const double radius = std::max(scale.cwiseProduct(x).norm(), gradient.cwiseQuotient(scale).norm() / 4);
  CHECK(damping.radius() == radius);
  CHECK(length() == doctest::Approx(radius).epsilon(0.011));
  damping.accept(0.5);
  CHECK(damping.radius() == radius);
  damping.accept(0.9);
  CHECK(damping.radius() == 2 * radius);
  damping.accept(0.1);
  CHECK(damping.radius() == length() / 4);
  damping.reject();
  CHECK(damping.radius() == doctest::Approx(length() / 16));
  CHECK(!damping.exhausted());
  // far from the limit the step is that of Gauss-Newton
  TrustRegionDamping large;
  const Vector far = 1e6 * x;
  REQUIRE(large.propose(*solver, {far, gradient, scale}, step));
  CHECK(distance(step, -(problem.a_.transpose() * problem.a_).ldlt().solve(gradient)) < 1e-9);
}

}  // namespace ebp::optimize

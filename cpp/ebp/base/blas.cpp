#include "ebp/base/blas.h"

// Tiny products by the same method as others, so that a row's result does not depend on how many rows there
// are.
#define EIGEN_GEMM_TO_COEFFBASED_THRESHOLD 0
#include <Eigen/Core>
#include <limits>

#include "ebp/base/narrow_product.h"

namespace ebp::blas {
namespace {

template <class T>
Table<T>& installed() {
  static Table<T> table;
  return table;
}

thread_local bool serial = false;

template <class T>
using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

template <class T>
void eigen_gemm(Op op_a, Op op_b, Index m, Index n, Index k, Strided<const T> a, Strided<const T> b, T beta,
                Strided<T> c) {
  using Stride = Eigen::OuterStride<>;
  using Map = Eigen::Map<const Matrix<T>, 0, Stride>;
  const bool ta = op_a == Op::kTransposed, tb = op_b == Op::kTransposed;
  const Map A(a.data, ta ? k : m, ta ? m : k, Stride(a.stride));
  const Map B(b.data, tb ? n : k, tb ? k : n, Stride(b.stride));
  Eigen::Map<Matrix<T>, 0, Stride> C(c.data, m, n, Stride(c.stride));
  if (beta == T(0))
    C.setZero();
  else if (beta != T(1))
    C *= beta;
  if (ta && tb)
    C.noalias() += A.transpose() * B.transpose();
  else if (ta)
    C.noalias() += A.transpose() * B;
  else if (tb)
    C.noalias() += A * B.transpose();
  else
    C.noalias() += A * B;
}

// Multiply-adds below which calling threads up costs more than they bring.
constexpr Index kSmallProduct = 4'000'000;

bool is_small(Index m, Index n, Index k) { return m * n <= kSmallProduct && m * n * k <= kSmallProduct; }

bool fits_int(Index a, Index b, Index c) {
  constexpr Index limit = std::numeric_limits<int>::max();
  return a <= limit && b <= limit && c <= limit;
}

}  // namespace

Serial::Serial() : before_(serial) { serial = true; }
Serial::~Serial() { serial = before_; }

template <class T>
void install(const Table<T>& table) {
  installed<T>() = table;
}

template <class T>
void gemm(Op op_a, Op op_b, Index m, Index n, Index k, const T* a, const T* b, T beta, T* c) {
  const bool ta = op_a == Op::kTransposed, tb = op_b == Op::kTransposed;
  gemm<T>(op_a, op_b, m, n, k, {a, ta ? m : k}, {b, tb ? k : n}, beta, {c, n});
}

template <class T>
void gemm(Op op_a, Op op_b, Index m, Index n, Index k, Strided<const T> a, Strided<const T> b, T beta,
          Strided<T> c) {
  if (m == 0 || n == 0) return;
  if (op_a == Op::kPlain && op_b == Op::kTransposed && narrow::suits_dot<T>(m, n, k))
    return narrow::dot(m, n, k, a, b, beta, c);
  if (op_a == Op::kTransposed && op_b == Op::kPlain && k > 0 && narrow::suits_outer<T>(m, n))
    return narrow::outer(m, n, k, a, b, beta, c);
  const auto& table = installed<T>();
  if (serial || !table.gemm || is_small(m, n, k) || !fits_int(m, n, k) ||
      !fits_int(a.stride, b.stride, c.stride)) {
    eigen_gemm(op_a, op_b, m, n, k, a, b, beta, c);
    return;
  }
  // BLAS is column-major: the row-major product C = A B is its C' = B' A'.
  char first = op_a == Op::kTransposed ? 'T' : 'N', second = op_b == Op::kTransposed ? 'T' : 'N';
  int rows = int(m), columns = int(n), inner = int(k);
  int lda = int(a.stride), ldb = int(b.stride), ldc = int(c.stride);
  T one = 1;
  table.gemm(&second, &first, &columns, &rows, &inner, &one, const_cast<T*>(b.data), &ldb,
             const_cast<T*>(a.data), &lda, &beta, c.data, &ldc);
}

template <class T>
void syrk(Op op, Index n, Index k, const T* a, T beta, T* c) {
  if (n == 0) return;
  const bool transposed = op == Op::kTransposed;
  if (!transposed && narrow::suits_dot<T>(n, n, k)) return narrow::dot_lower<T>(n, k, {a, k}, beta, {c, n});
  const auto& table = installed<T>();
  if (serial || !table.syrk || is_small(n, n, k) || !fits_int(n, k, 0)) {
    const Eigen::Map<const Matrix<T>> A(a, transposed ? k : n, transposed ? n : k);
    Eigen::Map<Matrix<T>> C(c, n, n);
    if (beta == T(0))
      C.template triangularView<Eigen::Lower>().setZero();
    else if (beta != T(1))
      C.template triangularView<Eigen::Lower>() *= beta;
    if (transposed)
      C.template selfadjointView<Eigen::Lower>().rankUpdate(A.transpose());
    else
      C.template selfadjointView<Eigen::Lower>().rankUpdate(A);
    return;
  }
  // BLAS is column-major: the lower triangle by rows is the upper one by columns, and A is its A'.
  char upper = 'U', how = transposed ? 'N' : 'T';
  int order = int(n), inner = int(k), lda = transposed ? order : inner;
  T one = 1;
  table.syrk(&upper, &how, &order, &inner, &one, const_cast<T*>(a), &lda, &beta, c, &order);
}

template void install(const Table<float>&);
template void install(const Table<double>&);
template void gemm(Op, Op, Index, Index, Index, const float*, const float*, float, float*);
template void gemm(Op, Op, Index, Index, Index, const double*, const double*, double, double*);
template void gemm(Op, Op, Index, Index, Index, Strided<const float>, Strided<const float>, float,
                   Strided<float>);
template void gemm(Op, Op, Index, Index, Index, Strided<const double>, Strided<const double>, double,
                   Strided<double>);
template void syrk(Op, Index, Index, const float*, float, float*);
template void syrk(Op, Index, Index, const double*, double, double*);

}  // namespace ebp::blas

// The one seam to BLAS. All matrices are row-major and dense in their leading dimension.
#pragma once

#include "ebp/base/strided.h"

namespace ebp::blas {

enum class Op { kPlain, kTransposed };

// Fortran entry points of one precision, as BLAS defines them.
template <class T>
struct Table {
  using Gemm = void (*)(char*, char*, int*, int*, int*, T*, T*, int*, T*, int*, T*, T*, int*);
  using Syrk = void (*)(char*, char*, int*, int*, T*, T*, int*, T*, T*, int*);
  Gemm gemm = nullptr;
  Syrk syrk = nullptr;
};

// Installs a BLAS, once, before any product is computed (at import; the table is constant afterwards).
// Without it, and for small products, Eigen's own product serves; where one matrix is small, that of
// narrow_product.h.
template <class T>
void install(const Table<T>& table);

// While it lives, products of this thread run on this thread alone, without it: an installed BLAS may share
// them out among threads of its own, which changes the last digits and crowds out others when many small
// products are made.
class Serial {
 public:
  Serial();
  ~Serial();
  Serial(const Serial&) = delete;
  Serial& operator=(const Serial&) = delete;

 private:
  bool before_;
};

// C (m, n) = op(A) op(B) + beta C, where op(A) is (m, k) and op(B) is (k, n). C may not alias A or B.
// With beta = 0, C is overwritten and may hold anything.
template <class T>
void gemm(Op op_a, Op op_b, Index m, Index n, Index k, const T* a, const T* b, T beta, T* c);

// The same for parts of matrices.
template <class T>
void gemm(Op op_a, Op op_b, Index m, Index n, Index k, Strided<const T> a, Strided<const T> b, T beta,
          Strided<T> c);

// The lower triangle of C (n, n) = op(A) op(A)' + beta C, where op(A) is (n, k); the rest of C stays as it
// is. With beta = 0, the triangle is overwritten and may hold anything.
template <class T>
void syrk(Op op, Index n, Index k, const T* a, T beta, T* c);

}  // namespace ebp::blas

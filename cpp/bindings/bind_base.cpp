#include <cstring>
#include <string>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "ebp/base/blas.h"

namespace ebp::bindings {
namespace {

// SciPy's capsules carry the C signature as their name; only 32-bit integers are what our table calls.
template <class T>
bool install(const py::capsule& gemm) {
  const char* signature = gemm.name();
  if (!signature || !std::strstr(signature, "char *, char *, int *, int *, int *")) return false;
  blas::install<T>({reinterpret_cast<typename blas::Table<T>::Gemm>(gemm.get_pointer())});
  return true;
}

}  // namespace

void bind_base(py::module_& m) {
  m.def(
      "install_blas",
      [](const py::capsule& sgemm, const py::capsule& dgemm) {
        return install<float>(sgemm) && install<double>(dgemm);
      },
      py::arg("sgemm"), py::arg("dgemm"),
      "Use these BLAS entry points from now on; False if their signature is not the expected one.");
}

}  // namespace ebp::bindings

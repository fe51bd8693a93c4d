#include <cstring>
#include <string>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "ebp/base/blas.h"

namespace ebp::bindings {
namespace {

// SciPy's capsules carry the C signature as their name; only 32-bit integers are what our table calls.
template <class Function>
Function entry(const py::capsule& capsule, const char* arguments) {
  const char* signature = capsule.name();
  if (!signature || !std::strstr(signature, arguments)) return nullptr;
  return reinterpret_cast<Function>(capsule.get_pointer());
}

template <class T>
bool install(const py::capsule& gemm, const py::capsule& syrk) {
  using Table = blas::Table<T>;
  const Table table{entry<typename Table::Gemm>(gemm, "char *, char *, int *, int *, int *"),
                    entry<typename Table::Syrk>(syrk, "char *, char *, int *, int *, ")};
  if (!table.gemm || !table.syrk) return false;
  blas::install<T>(table);
  return true;
}

}  // namespace

void bind_base(py::module_& m) {
  m.def(
      "install_blas",
      [](const py::capsule& sgemm, const py::capsule& dgemm, const py::capsule& ssyrk,
         const py::capsule& dsyrk) { return install<float>(sgemm, ssyrk) && install<double>(dgemm, dsyrk); },
      py::arg("sgemm"), py::arg("dgemm"), py::arg("ssyrk"), py::arg("dsyrk"),
      "Use these BLAS entry points from now on; False if their signature is not the expected one.");
}

}  // namespace ebp::bindings

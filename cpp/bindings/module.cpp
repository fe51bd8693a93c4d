// Registration only: one call per folder of the core.
#include <pybind11/pybind11.h>

#include "bindings/bindings.h"

PYBIND11_MODULE(EBP_MODULE, m) {
  m.attr("level") = EBP_LEVEL;
  m.attr("version") = EBP_VERSION;
  m.attr("compiler") = EBP_COMPILER;
  ebp::bindings::bind_base(m);
  ebp::bindings::bind_modules(m);
  ebp::bindings::bind_nn(m);
  ebp::bindings::bind_curvature(m);
  ebp::bindings::bind_online(m);
  ebp::bindings::bind_optimize(m);
  ebp::bindings::bind_fit(m);
}

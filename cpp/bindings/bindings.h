// What each binding file registers.
#pragma once

#include <pybind11/pybind11.h>

namespace ebp::bindings {

void bind_base(pybind11::module_& m);
void bind_curvature(pybind11::module_& m);
void bind_modules(pybind11::module_& m);
void bind_fit(pybind11::module_& m);
void bind_nn(pybind11::module_& m);
void bind_online(pybind11::module_& m);
void bind_optimize(pybind11::module_& m);

}  // namespace ebp::bindings

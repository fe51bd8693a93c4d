// Compiled for the baseline: tells which builds of the core this processor can run.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <vector>

namespace {

std::vector<std::string> supported_levels() {
#if defined(__x86_64__)
  std::vector<std::string> levels;
  if (__builtin_cpu_supports("x86-64-v2")) levels.push_back("v2");
  if (__builtin_cpu_supports("x86-64-v3")) levels.push_back("v3");
  if (__builtin_cpu_supports("x86-64-v4")) levels.push_back("v4");
  return levels;
#else
  return {"native"};
#endif
}

}  // namespace

PYBIND11_MODULE(_cpu, m) {
  m.def("supported_levels", &supported_levels, "Builds of the core that this processor can run, best last.");
}

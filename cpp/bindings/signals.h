// Ctrl-C during loops that run without the GIL.
#pragma once

#include <chrono>

#include "bindings/arrays.h"

namespace ebp::bindings {

// Serves signals, so that Ctrl-C works. Taking the GIL costs little but not nothing, so it is taken only
// every now and then.
class Signals {
 public:
  void operator()() {
    if (Clock::now() - last_ < std::chrono::milliseconds(30)) return;
    py::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    last_ = Clock::now();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_ = Clock::now();
};

}  // namespace ebp::bindings

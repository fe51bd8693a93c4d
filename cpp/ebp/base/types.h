// Types and checks used everywhere below the bindings.
#pragma once

#include <cstddef>
#include <sstream>
#include <stdexcept>
#include <string>

namespace ebp {

// Counts and offsets; signed, so that differences need no care.
using Index = std::ptrdiff_t;

// Throws std::invalid_argument "[function] rule; got value". Misuse is reported, never aborted on.
template <class Value>
void require(bool holds, const char* function, const char* rule, const Value& value) {
  if (holds) return;
  std::ostringstream message;
  message << '[' << function << "] " << rule << "; got " << value;
  throw std::invalid_argument(message.str());
}

}  // namespace ebp

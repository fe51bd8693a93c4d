// The array types of the border, named once.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

#include "ebp/base/types.h"

namespace ebp::bindings {

namespace py = pybind11;

// Row-major and of the right type already: the Python side converts, once, so that nothing is ever copied
// here behind anybody's back. Arguments of this type are declared with noconvert().
template <class T>
using Array = py::array_t<T, py::array::c_style>;

// Anything that can become a row-major array of this type.
template <class T>
using AnyArray = py::array_t<T, py::array::c_style | py::array::forcecast>;

inline std::string shape_of(const py::array& array) {
  std::string text = "(";
  for (py::ssize_t d = 0; d < array.ndim(); ++d) text += (d ? ", " : "") + std::to_string(array.shape(d));
  return text + (array.ndim() == 1 ? ",)" : ")");
}

// Checks that `array` is (rows, columns); rows < 0 allows any number of them. Returns the number of rows.
inline Index require_rows(const py::array& array, Index rows, Index columns, const char* function,
                          const char* name) {
  const bool fits = array.ndim() == 2 && (rows < 0 || array.shape(0) == rows) && array.shape(1) == columns;
  const std::string expected =
      "(" + (rows < 0 ? std::string("n") : std::to_string(rows)) + ", " + std::to_string(columns) + ")";
  require(fits, function, (std::string(name) + " must have shape " + expected).c_str(), shape_of(array));
  return array.shape(0);
}

inline void require_size(const py::array& array, Index size, const char* function, const char* name) {
  require(array.size() == size, function,
          (std::string(name) + " must have " + std::to_string(size) + " values").c_str(), shape_of(array));
}

}  // namespace ebp::bindings

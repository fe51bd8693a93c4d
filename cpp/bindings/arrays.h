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
  if (array.size() == size) return;  // before any text is made, which would take longer than a small network
  require(false, function, (std::string(name) + " must have " + std::to_string(size) + " values").c_str(),
          shape_of(array));
}

// Whether it is a row-major array of the type T. The test of Array<T> calls NumPy to compare the types, which
// takes longer than a small network does; here T must be named by the one object that usually stands for it.
template <class T>
bool is_plain(const py::object& values) {
  static const PyObject* const type = py::dtype::of<T>().release().ptr();
  if (!py::isinstance<py::array>(values)) return false;
  const auto array = py::reinterpret_borrow<py::array>(values);
  return array.dtype().ptr() == type && (array.flags() & py::array::c_style);
}

// Numbers of any type as a new row-major array of the type T.
template <class T>
AnyArray<T> converted(const py::object& values, const char* function, const char* name) {
  const py::array array = py::array::ensure(values);
  const bool numeric = array && std::string("fiub").find(array.dtype().kind()) != std::string::npos;
  if (!numeric)
    throw py::type_error('[' + std::string(function) + "] " + name + " must be real numbers; got " +
                         std::string(py::repr(values)));
  return AnyArray<T>::ensure(array);
}

// One sample's values: an array of the network's type as it is, other numbers converted.
template <class T>
AnyArray<T> values_of(const py::object& values, Index size, const char* function, const char* name) {
  auto result = is_plain<T>(values) ? py::reinterpret_borrow<AnyArray<T>>(values)
                                    : converted<T>(values, function, name);
  require_size(result, size, function, name);
  return result;
}

}  // namespace ebp::bindings

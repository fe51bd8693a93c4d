// Parts of matrices.
#pragma once

#include "ebp/base/types.h"

namespace ebp {

// A part of a row-major matrix whose rows are `stride` apart.
template <class T>
struct Strided {
  T* data;
  Index stride;

  // What begins with its row r, and with its column j.
  Strided row(Index r) const { return {data + r * stride, stride}; }
  Strided column(Index j) const { return {data + j, stride}; }
};

}  // namespace ebp

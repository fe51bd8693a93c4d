// Memory for the intermediate values of one call, kept for the calls after it, so that loops do not allocate.
#pragma once

#include <vector>

#include "ebp/base/aligned.h"
#include "ebp/base/types.h"

namespace ebp {

// `count` values of any content, 64-byte aligned, owned while the object lives. Objects of one thread must
// end in the reverse order of their beginnings, as automatic variables do.
template <class T>
class Scratch {
 public:
  explicit Scratch(Index count) : slot_(stack().depth++) {
    auto& buffers = stack().buffers;
    if (buffers.size() <= slot_) buffers.emplace_back();
    if (Index(buffers[slot_].size()) < count) buffers[slot_].resize(std::size_t(count));
    data_ = buffers[slot_].data();
  }
  ~Scratch() { --stack().depth; }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  T* data() { return data_; }

 private:
  struct Stack {
    std::vector<AlignedVector<T>> buffers;
    std::size_t depth = 0;
  };
  static Stack& stack() {
    thread_local Stack stack;
    return stack;
  }

  std::size_t slot_;
  T* data_;
};

}  // namespace ebp

// Room for words that is kept from one use to the next.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

#include "core/bits.hpp"

namespace askew {

// Begins with a cache line: registers that straddle two lines take twice the bandwidth.
class WordBuffer {
 public:
  // Room for `size` words, whose values are whatever they happen to be.
  Word* reserve(std::size_t size) {
    if (size > size_) {
      words_.reset(static_cast<Word*>(::operator new(size * sizeof(Word), kLine)));
      size_ = size;
    }
    return words_.get();
  }

  Word* data() const { return words_.get(); }

 private:
  static constexpr std::align_val_t kLine{64};
  struct Delete {
    void operator()(Word* words) const { ::operator delete(words, kLine); }
  };

  std::unique_ptr<Word, Delete> words_;
  std::size_t size_ = 0;
};

}  // namespace askew

// Rows of packed columns, as words, 512 at a time.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {

// kWidth is the number of words of a row, or 0 if it is known at run time only: loops over one or two words take longer
// than what they do.
template <std::size_t kWidth>
class RowBlock {
 public:
  explicit RowBlock(std::size_t n_columns)
      : run_time_width_((n_columns + kWordBits - 1) / kWordBits), rows_(kBlockBits * width()), hashes_(kBlockBits) {}

  // Takes rows 512 * block … 512 * block + 511.
  void load(const Columns& columns, std::int64_t block) {
    const std::size_t n_words = width();
    for (std::size_t begin = 0; begin < n_words; begin += kGroups) {
      const std::size_t end = std::min(n_words, begin + kGroups);
      for (std::size_t group = begin; group < end; ++group) load_group(columns, block, group);
      // Word `group` of row 64 w + r is word 8 r + w of what load_group leaves.
      for (std::size_t w = 0; w < 8; ++w)
        for (std::size_t r = 0; r < 64; ++r)
          for (std::size_t group = begin; group < end; ++group)
            rows_[(64 * w + r) * n_words + group] = transposed_[group - begin][8 * r + w];
    }
    for (std::size_t row = 0; row < hashes_.size(); ++row) hashes_[row] = hash_of(&rows_[row * n_words]);
  }

  std::size_t width() const { return kWidth == 0 ? run_time_width_ : kWidth; }
  const Word* row(std::size_t i) const { return &rows_[i * width()]; }
  Word hash(std::size_t i) const { return hashes_[i]; }

 private:
  static constexpr std::size_t kGroups = 8;  // a cache line of each row at a time

  // 64 columns; those that do not exist are 0.
  void load_group(const Columns& columns, std::int64_t block, std::size_t group) {
    constexpr std::size_t kLine = kBlockBits / kWordBits;
    const std::size_t first = group * kWordBits;
    for (std::size_t c = 0; c < kWordBits; ++c) {
      Word* line = gathered_ + c * kLine;
      if (first + c < columns.size()) {
        const Word* column = columns[first + c] + block * static_cast<std::int64_t>(kLine);
        std::memcpy(line, column, kLine * sizeof(Word));
        __builtin_prefetch(column + kLine);
      } else {
        std::fill_n(line, kLine, Word{0});
      }
    }
    simd().transpose(gathered_, transposed_[group % kGroups]);
  }

  // A product moves differences up, a shift brings them down again: every step can be undone, so that rows of one word
  // never share a hash.
  Word hash_of(const Word* row) const {
    constexpr Word kOdd = 0x9E3779B97F4A7C15ull;  // 2^64 / golden ratio: Knuth, The Art of Computer Programming, 6.4
    const auto step = [](Word x) {
      x *= kOdd;
      return x ^ (x >> 32);
    };
    Word hash = 0;
    for (std::size_t i = 0; i < width(); ++i) hash = step(hash ^ row[i]);
    return step(hash);
  }

  const std::size_t run_time_width_;
  std::vector<Word> rows_, hashes_;
  alignas(64) Word gathered_[kBlockBits];
  alignas(64) Word transposed_[kGroups][kBlockBits];
};

}  // namespace askew

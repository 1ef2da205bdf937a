// Rows of packed columns, as words, 512 at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <type_traits>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {

// A product moves differences up: the first bits of a hash are the best. A shift brings them down again, for the next
// word. Every step can be undone, so that rows of one word never share a hash.
inline Word hash_step(Word x) {
  constexpr Word kOdd = 0x9E3779B97F4A7C15ull;  // 2^64 / golden ratio: Knuth, The Art of Computer Programming, 6.4
  x *= kOdd;
  return x ^ (x >> 32);
}

// Another number in each process, so that no rows can be made up beforehand whose hashes begin alike: looking them up
// would take quadratic time. No result depends on it.
inline const Word kHashSeed = [] {
  std::random_device device;
  return Word{device()} << 32 | device();
}();

inline Word hash_of(const Word* row, std::size_t width) {
  Word hash = kHashSeed;
  for (std::size_t i = 0; i < width; ++i) hash = hash_step(hash ^ row[i]);
  return hash;
}

// kWidth is the number of words of a row, or 0 if it is known at run time only: loops over one or two words take longer
// than what they do.
template <std::size_t kWidth>
class RowBlock {
 public:
  explicit RowBlock(std::size_t n_columns)
      : run_time_width_((n_columns + kWordBits - 1) / kWordBits), words_(kBlockBits * width()) {}

  // Takes rows 512 * block … 512 * block + 511.
  void load(const Columns& columns, std::int64_t block) {
    for (std::size_t group = 0; group < width(); ++group) load_group(columns, block, group);
  }

  // visit(row, hash, number in the block) for each row, in the order in which the transposition leaves them.
  template <class Visit>
  void for_each(const Visit& visit) const {
    std::conditional_t<kWidth == 0, std::vector<Word>, std::array<Word, kWidth>> row;
    if constexpr (kWidth == 0) row.resize(width());
    const Word* word = words_.data();
    for (std::int64_t r = 0; r < 64; ++r)
      for (std::int64_t number = r; number < kBlockBits; number += 64, ++word) {
        for (std::size_t group = 0; group < width(); ++group) row[group] = word[group * kBlockBits];
        visit(row.data(), hash_of(row.data(), width()), number);
      }
  }

 private:
  std::size_t width() const { return kWidth == 0 ? run_time_width_ : kWidth; }

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
    simd().transpose(gathered_, words_.data() + group * kBlockBits);
  }

  const std::size_t run_time_width_;
  std::vector<Word> words_;
  alignas(64) Word gathered_[kBlockBits];
};

}  // namespace askew

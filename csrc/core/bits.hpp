// Packed columns: bit i % 64 of word i / 64 is instance i; a column has a multiple of 8 words; bits beyond the last
// instance are 0.
#pragma once

#include "core/inline.hpp"
#include "core/integers.hpp"

namespace askew {

using Word = std::uint64_t;

constexpr std::int64_t kWordBits = 64;
constexpr std::int64_t kBlockBits = 512;

ASKEW_INLINE constexpr std::int64_t words_for(std::int64_t n) {
  return (n + kBlockBits - 1) / kBlockBits * (kBlockBits / kWordBits);
}

// The bits of word `word` that are instances, when there are n of them.
ASKEW_INLINE constexpr Word valid_bits(std::int64_t word, std::int64_t n) {
  const std::int64_t left = n - word * kWordBits;
  if (left <= 0) return 0;
  return left >= kWordBits ? ~Word{0} : (Word{1} << left) - 1;
}

}  // namespace askew

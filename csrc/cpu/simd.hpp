// The inner loops, one set per SIMD level. simd_<level>.cpp compiles simd_kernels.inl with that level's flags; simd.cpp
// picks a level at run time, once. Everything above these pointers is ordinary code compiled once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/bits.hpp"
#include "core/weights.hpp"

namespace askew {

// Widths of a block of replicates: the wide one halves the work per membership, the narrow one halves the accumulators.
constexpr int kNarrow = 64, kWide = 128;

// Members of each row, in compressed rows, of a piece of a table. An entry is an itemset's number; the bit kFlush is
// set on every kRowsPerFlush-th entry of an itemset: its 8-bit accumulators must be widened then, or they might
// overflow.
constexpr std::uint32_t kFlush = std::uint32_t{1} << 31;

struct Incidence {
  const std::uint32_t* starts;  // n_rows + 1
  const std::uint32_t* entries;
  std::int64_t n_rows;
};

// Accumulators of one block of replicates: per itemset `width` sums, which spill from 8 to 16 to 32 bits.
struct Accumulators {
  std::uint8_t* sum8;
  std::uint16_t* sum16;
  std::uint32_t* sum32;
  std::uint16_t* flushes;  // how often sum8 was added to sum16 since sum16 was emptied
  std::uint16_t max_flushes;
};

constexpr std::int64_t kMaxOnesWords = 512;  // positions of ones fit 16 bits, and the words a stack

struct SimdKernels {
  const char* name;

  // Number of ones in the conjunction of k columns, words begin … begin + n_words - 1. k ≥ 1.
  std::int64_t (*and_count)(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words);
  // out = conjunction of k columns, as above. k ≥ 1.
  void (*and_columns)(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words, Word* out);
  // Writes the positions of the ones in the conjunction of k columns, counted from word `begin`, in ascending order,
  // and returns how many they are. At most 1024 words, so that positions fit 16 bits. k ≥ 1.
  std::int64_t (*ones_of)(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                          std::uint16_t* out);
  // From 64 columns of 512 rows, columns[8 * c + w] being word w of column c, to rows: bit c of rows[8 * r + w] is bit
  // r of columns[8 * c + w], that is of row 64 * w + r.
  void (*transpose)(const Word* columns, Word* rows);
  // Packs 64 rows or fewer of p uint8 values: bit r of out[c] = row r, column c. Returns the OR of all values (more
  // than 1: bad input).
  std::uint8_t (*pack_rows)(const std::uint8_t* values, std::int64_t row_stride, std::int64_t n_rows, std::int64_t p,
                            Word* out);
  // Adds the weights of the rows of a piece, whose first is `first_row`, in replicates block * width … (block + 1) *
  // width - 1.
  void (*accumulate)(const Incidence& piece, std::uint64_t first_row, const Draws& draws, std::uint32_t block,
                     int width, const Accumulators& sums);
  // Empties sum8 into sum16 and sum16 into sum32, for all itemsets.
  void (*drain)(std::int64_t n_itemsets, int width, const Accumulators& sums);
};

// Where in a block's accumulators replicate `replicate` (0 ≤ replicate < width) stands: the order in which 16-bit
// halves of the generator's words, packed two by two into bytes, come out of a vector register.
ASKEW_INLINE constexpr int lane_of(int replicate, int width) {
  const int counter = replicate / 8, word = replicate / 2 % 4, half = replicate % 2;
  return word / 2 * (width / 2) + counter * 4 + half * 2 + word % 2;
}

const SimdKernels* portable_kernels();
const SimdKernels* avx2_kernels();
const SimdKernels* avx512_kernels();

// Names of the levels that this processor can run, best first.
std::vector<std::string> simd_levels();

// The kernels in use: the best level, or the one that ASKEW_SIMD names when the library is first used. Throws
// std::invalid_argument if it cannot run here.
const SimdKernels& simd();

// Changes the level for the calls that follow ("" for the default); meant for tests.
void force_simd(const std::string& level);

}  // namespace askew

// Which itemsets each row contains, for a run of rows that fits in memory.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {

// Rows are cut into pieces that are built, and later added up, independently of each other.
struct IncidencePiece {
  std::vector<std::uint32_t> starts;
  std::unique_ptr<std::uint32_t[]> entries;

  Incidence view() const { return {starts.data(), entries.get(), std::ssize(starts) - 1}; }
};

struct IncidenceChunk {
  std::int64_t n_rows;
  std::int64_t rows_per_piece;
  std::int64_t n_entries;
  std::vector<IncidencePiece> pieces;
};

// The chunk that begins at `first_row` (a multiple of 512) and ends where its entries would take more than
// kIncidenceBytes, or with the table. An itemset's entries carry kFlush once every `rows_per_flush`, counted from the
// beginning of the chunk.
IncidenceChunk build_incidence(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t first_row,
                               int rows_per_flush, int n_threads, const Monitor& monitor);

// With what is needed while a chunk is built (half of it again, 24 MiB of counts, 32 MiB of starts) this stays below
// 170 MiB, as long as itemsets are not more than kMaxItemsetsPerChunk.
constexpr std::int64_t kIncidenceBytes = std::int64_t{72} << 20;
constexpr std::int64_t kMaxItemsetsPerChunk = 1 << 15;

}  // namespace askew

// Which itemsets each row contains, for a run of pieces of a table that fits in memory.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {

struct IncidenceChunk {
  std::int64_t first_row;
  std::int64_t n_rows;
  std::int64_t rows_per_piece;
  std::int64_t n_entries;
  std::vector<Incidence> pieces;
};

// The chunk that begins at `first_row` (a multiple of 512) and holds about as many rows as kIncidenceBytes allow. An
// itemset's entries carry kFlush once every `rows_per_flush`, counted from the beginning of the chunk.
IncidenceChunk build_incidence(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t first_row,
                               int rows_per_flush, int n_threads, const Monitor& monitor);

constexpr std::int64_t kIncidenceBytes = std::int64_t{1} << 27;

}  // namespace askew

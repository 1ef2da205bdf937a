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
  std::int64_t first_row;
  std::vector<std::uint16_t> rows;
  std::vector<Incidence::Tile> tiles;
  std::vector<Incidence::Batch> batches;
  std::unique_ptr<std::uint32_t[]> entries;
  std::vector<std::uint32_t> flushes, frequent;
  std::vector<std::uint8_t> quads;
  std::vector<std::uint16_t> runs;

  Incidence view() const {
    return {rows.data(),    std::ssize(tiles) - 1, tiles.data(),         batches.data(), entries.get(),
            flushes.data(), frequent.data(),       std::ssize(frequent), quads.data(),   runs.data()};
  }
};

struct IncidenceChunk {
  std::int64_t n_rows;
  std::int64_t n_entries;
  std::vector<IncidencePiece> pieces;
};

// How the entries are to be added up.
struct Flushing {
  int rows_per_flush;          // whose weights the 8-bit sums can take
  std::int64_t frequent_from;  // an itemset that one of so many rows contains is frequent; 0: none is
};

// The chunk that begins at `first_row` (a multiple of 512) and ends when its entries take kIncidenceBytes, or with the
// table. Adds to `sample` how many of its rows contain each itemset.
IncidenceChunk build_incidence(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t first_row,
                               const Flushing& flushing, SampleCounts sample, int n_threads, const Monitor& monitor);

// With what is needed while a chunk is built (as much again, 24 MiB of counts, 48 MiB of rows, and a piece for each
// thread, begun before the memory was used up) this stays below 170 MiB.
constexpr std::int64_t kIncidenceBytes = std::int64_t{48} << 20;
constexpr std::int64_t kMaxItemsetsPerChunk = 1 << 15;

// Calls body(slice, number of its first itemset, monitor) for `size` itemsets after another.
template <class Body>
void for_slices(const Itemsets& itemsets, std::int64_t size, const Monitor& monitor, const Body& body) {
  for (std::int64_t s = 0; s < itemsets.size; s += size) {
    const std::int64_t n = std::min(size, itemsets.size - s);
    std::vector<std::int64_t> offsets(itemsets.offsets + s, itemsets.offsets + s + n + 1);
    for (std::int64_t& offset : offsets) offset -= itemsets.offsets[s];
    const Monitor part = [&](std::int64_t done, std::int64_t total) {
      if (monitor) monitor(s * 1000 + n * 1000 / total * done, itemsets.size * 1000);
    };
    body(Itemsets{itemsets.items + itemsets.offsets[s], offsets.data(), n}, s, part);
  }
}

}  // namespace askew

// The five kernels on packed columns, as the bindings call them. Columns are pointers to packed words (core/bits.hpp).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "core/bits.hpp"
#include "core/itemsets.hpp"
#include "core/pattern_weights.hpp"
#include "core/weights.hpp"
#include "cpu/memory.hpp"
#include "cpu/parallel.hpp"

namespace askew {

using Columns = std::vector<const Word*>;

// n rows of p values, at any distance from each other.
struct ByteTable {
  const std::uint8_t* data;
  std::int64_t n, p, row_stride, column_stride;

  const std::uint8_t* at(std::int64_t row, std::int64_t column) const {
    return data + row * row_stride + column * column_stride;
  }
};

// Packs a table; `out` holds p columns, one after the other. Returns -1, or i * p + c of the first value (i, c) that is
// neither 0 nor 1.
std::int64_t pack(const ByteTable& values, Word* out, int n_threads, const Monitor& monitor);

// Packs n rows of column indices, row i being indices[offsets[i] … offsets[i + 1] - 1]; negative ones are passed over.
// `out` holds n_columns zeroed columns. Returns what is wrong with the rows, or nullptr.
template <class Offset, class Index>
const char* pack_sparse(const Offset* offsets, std::int64_t n, const Index* indices, std::int64_t n_indices,
                        std::int64_t n_columns, Word* out, int n_threads, const Monitor& monitor);

struct Patterns {
  std::int64_t size = 0;
  Buffer<std::int64_t> first;  // index of the first instance of each distinct row, ascending
  Buffer<std::int64_t> multiplicity;
};

Patterns patterns(const Columns& columns, std::int64_t n, int n_threads, const Monitor& monitor);

struct MiningTable {
  Columns columns;
  Columns masks;   // the support must be reached within each; none: over all instances
  Columns groups;  // what is found is counted within each
  std::int64_t n_words;
};

struct MinedItemsets {  // as Itemsets
  std::unique_ptr<std::int32_t[]> items;
  std::unique_ptr<std::int64_t[]> offsets;
  std::unique_ptr<std::int64_t[]> counts;  // [itemset][group], the groups of all tables one after the other
  std::int64_t size;
};

// Every itemset of 1 … max_size columns that reaches min_count in every table, by size, then by columns. Nothing if
// they are more than max_sets.
std::optional<MinedItemsets> mine(const std::vector<MiningTable>& tables, std::int64_t min_count, std::int64_t max_size,
                                  std::int64_t max_sets, int n_threads, const Monitor& monitor);

// out[s] = number of the n instances that contain itemset s.
void count(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t* out, int n_threads,
           const Monitor& monitor);

// Counts of itemsets in the replicates begin ≤ r < end: that of itemset s is counts[s * stride + r - begin].
struct ReplicateCounts {
  std::int64_t* counts;
  std::int64_t stride;
  std::int64_t begin, end;
};

// What has a weight: the rows of a table, or clusters of them.
struct Units {
  const std::uint32_t* of_row;   // null: each row is a unit
  const std::uint32_t* members;  // units, one stratum after the other; null: 0, 1, 2 …
  const std::int64_t* bounds;    // members bounds[h] … bounds[h + 1] - 1 are stratum h
  std::int64_t n_strata;         // 0: independent weights; else each stratum keeps its size
  int most_added = 7;            // to a weight at a time: with what is drawn, kRowsPerBatch of them then fit 8 bits

  std::int64_t size() const { return bounds[n_strata]; }
};

// Counts of itemsets in the sample: that of itemset s is counts[s * stride].
struct SampleCounts {
  std::int64_t* counts;  // null: not asked for
  std::int64_t stride;
};

// Adds to `out` the weight of the instances that contain each itemset, and to `sample` how many they are, which is
// known once they are listed.
void resample(const Columns& columns, std::int64_t n, const Itemsets& itemsets, const Draws& draws,
              std::uint64_t first_row, const Units& units, const ReplicateCounts& out, SampleCounts sample,
              int n_threads, const Monitor& monitor);

// The same for a table of distinct rows, each of which stands for as many instances as its multiplicity says.
struct PatternDraws {
  std::uint64_t seed;
  std::uint32_t table;
  const std::int64_t* multiplicities;
  const PoissonTable* tables;  // of Poisson(1), Poisson(2), Poisson(4) … as far as the multiplicities need them
};

void resample_patterns(const Columns& columns, std::int64_t n, const Itemsets& itemsets, const PatternDraws& draws,
                       const ReplicateCounts& out, int n_threads, const Monitor& monitor);

}  // namespace askew

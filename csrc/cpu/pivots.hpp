// Itemsets with a rare column are counted among its rows: these are copied to a table of their own.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/row_tally.hpp"

namespace askew {

// Itemsets, and where in a longer list each of them stands.
struct ItemsetList {
  std::vector<std::int32_t> items;
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int64_t> numbers;

  Itemsets view() const { return {items.data(), offsets.data(), static_cast<std::int64_t>(numbers.size())}; }
};

struct Pivot {
  std::int32_t column;
  ItemsetList itemsets;  // without that column
};

struct SplitItemsets {
  ItemsetList whole;  // to be counted in the whole table
  std::vector<Pivot> pivots;
  std::vector<std::int32_t> pivot_columns;  // the columns that the pivots and their itemsets name by their numbers here
};

// Splits those of the itemsets begin … end - 1 that are neither empty nor counted by rows, by what is estimated to take
// least time.
SplitItemsets split(const std::vector<std::int64_t>& ones, std::int64_t n_words, const Itemsets& itemsets,
                    std::int64_t begin, std::int64_t end, const RowTally& by_rows);

// out[number] = count, for the itemsets of the pivots.
void count_among_rows(const Columns& columns, std::int64_t n_words, const SplitItemsets& split, std::int64_t* out,
                      int n_threads, const Monitor& monitor);

}  // namespace askew

// Counting what extends an itemset, two columns at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/bit_table.hpp"
#include "cpu/kernels.hpp"

namespace askew {

struct Extension {
  std::int32_t column;  // of the base
  std::int64_t rows;    // that contain it and the itemset that it extends (of all tables; per mask, if there are any)
};

using Extensions = std::vector<Extension>;

// Where the extensions of an itemset are counted: tables of the same columns, each with its masks and then its groups
// after them.
struct Base {
  std::vector<BitTable> tables;
  std::vector<std::int32_t> columns;  // their numbers among the frequent columns
  std::vector<std::int32_t> masks;    // how many masks each table has

  std::int32_t n_columns() const { return static_cast<std::int32_t>(columns.size()); }
  std::int32_t n_masks(std::size_t t) const { return masks[t]; }
  std::int32_t n_supports(std::size_t t) const { return std::max(n_masks(t), 1); }
  std::int32_t first_group(std::size_t t) const { return n_columns() + n_masks(t); }
  std::int32_t n_groups(std::size_t t) const { return tables[t].n_columns() - first_group(t); }
};

// An itemset: the rows of the base that contain it (one bitmap per table; null: all of them), and what may extend it.
struct Node {
  const Base* base;
  std::vector<const Word*> rows;
  const Extensions* extensions;
  const std::vector<std::int32_t>* items;  // ascending
};

// Counts of the pairs of extensions of a node: of a few of them with each later one.
class PairCounts {
 public:
  // In table t, of extensions begin … end - 1.
  void count(const Node& node, std::size_t t, std::size_t begin, std::size_t end);

  std::size_t n_supports() const { return n_supports_; }

  // Of the rows that contain extension begin + b and are in mask j: how many contain begin + 1, begin + 2 … Nothing is
  // said of begin + b itself and those before it.
  const std::int64_t* with(std::size_t b, std::size_t j) const {
    return counts_.data() + (b * n_supports_ + j) * n_tails_;
  }

 private:
  std::int32_t column(std::size_t b) const { return extensions_[b].column; }
  std::int32_t mask(std::size_t j) const { return first_mask_ + static_cast<std::int32_t>(j); }
  bool few_ones() const;
  void by_rows();
  void by_lists();
  void by_columns();

  const BitTable* table_ = nullptr;
  const Extension* extensions_ = nullptr;  // from `begin` on
  const Word* within_ = nullptr;
  std::int32_t first_mask_ = 0;
  std::size_t n_masks_ = 0, n_supports_ = 1, n_first_ = 0, n_tails_ = 0;
  std::vector<std::int64_t> counts_;  // [first extension][mask][later extension]
  Columns columns_;
  std::vector<std::uint32_t> slots_;
  std::vector<std::int32_t> tail_at_;  // of a column: its place among later extensions, or -1
};

}  // namespace askew

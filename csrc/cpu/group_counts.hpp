// Counting by group what mining has found, where it was found: among the rows that are left there.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/pair_counts.hpp"

namespace askew {

// Counts of a node's extensions within each group of each table.
class GroupCounts {
 public:
  void count(const Node& node);

  // Of extension e: counts(e)[g * stride()] for the groups of all tables, one after the other.
  const std::int64_t* counts(std::size_t e) const { return counts_.empty() ? nullptr : counts_.data() + e; }
  std::size_t stride() const { return n_extensions_; }

 private:
  std::size_t n_extensions_ = 0;
  std::vector<std::int64_t> counts_;  // [group][extension]
  Columns columns_, groups_;
};

}  // namespace askew

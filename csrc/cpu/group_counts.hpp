// Counting by group what mining has found, where it was found: among the rows that are left there.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/pair_counts.hpp"

namespace askew {

// Where the counts within a group come from: it is one of those that are counted, or has all rows of every itemset, or
// those that the counted groups leave.
constexpr std::int32_t kWholeGroup = -1, kRestGroup = -2;
using GroupSources = std::vector<std::int32_t>;  // of each group: its number among those that are counted, or the above

// Counts of a node's extensions within each group of each table.
class GroupCounts {
 public:
  explicit GroupCounts(std::size_t n_groups);  // all of which are counted

  // What the counts of the single columns, which this has just counted in a table without masks, tell of all others.
  GroupSources sources(const Node& singles);
  // Nodes are those of the counted groups alone from now on.
  void derive_from(const GroupSources& sources) { sources_ = sources; }
  bool counts_any() const;

  void count(const Node& node);
  // Of the node's extension e, within the groups of all tables, one after the other.
  const std::int64_t* of(const Node& node, std::size_t e);

 private:
  GroupSources sources_;
  std::size_t n_extensions_ = 0;
  std::vector<std::int64_t> counts_, row_;  // [counted group][extension], [group]
  Columns columns_, groups_;
};

}  // namespace askew

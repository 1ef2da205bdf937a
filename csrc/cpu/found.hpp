// The itemsets that mining finds, in whatever order, and the order in which they are wanted.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "cpu/kernels.hpp"

namespace askew {

// Itemsets as keys: their items in ascending order, as many to a word as fit, so that keys of one size compare like the
// itemsets. That is a tenth of the memory of lists of items where columns are few, and sorts ten times faster.
class FoundItemsets {
 public:
  explicit FoundItemsets(std::int64_t n_columns);

  // Adds the itemset of `items` (ascending) and `added`, which is not among them.
  void add(const std::vector<std::int32_t>& items, std::int32_t added);

  // All of `parts`, which lose them, by size, then by items.
  static MinedItemsets in_order(std::vector<FoundItemsets>& parts, int n_threads, const Monitor& monitor);

 private:
  int bits_;                             // of an item
  std::size_t per_word_;                 // items in a word
  std::vector<std::vector<Word>> keys_;  // [size]
};

}  // namespace askew

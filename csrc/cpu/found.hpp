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
  // Items are less than n_items; n_counts numbers come with each itemset.
  FoundItemsets(std::int64_t n_items, std::size_t n_counts);

  // Adds the itemset of `items` (ascending) and `added`, which is not among them.
  void add(const std::vector<std::int32_t>& items, std::int32_t added, const std::int64_t* counts);

  // All of `parts`, which lose them, by size, then by items, which stand for the given columns (ascending).
  static MinedItemsets in_order(std::vector<FoundItemsets>& parts, const std::vector<std::int32_t>& columns,
                                int n_threads, const Monitor& monitor);

 private:
  struct OfSize {
    std::vector<Word> keys;
    std::vector<std::int64_t> counts;
  };

  int bits_;                   // of an item
  std::size_t per_word_;       // items in a word
  std::size_t n_counts_;       // of an itemset
  std::vector<OfSize> found_;  // [size]
};

}  // namespace askew

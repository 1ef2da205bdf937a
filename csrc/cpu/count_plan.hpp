// Which itemsets are counted together.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {

// Itemsets that are alike but for their last two columns, of a few rows and a few tails: what one call of the inner
// loop counts. A set of one column is its own row and its own tail.
class CountPlan {
 public:
  // For itemsets begin … end - 1, none of them empty. In a better order than theirs if that pays, for it takes time.
  CountPlan(const Itemsets& itemsets, std::int64_t begin, std::int64_t end, std::size_t n_columns, bool reorder);

  // The columns that occur, in the order in which run() takes them.
  const std::vector<std::int32_t>& columns() const { return used_; }
  std::size_t n_steps() const { return steps_.size(); }
  std::size_t n_counts() const { return itemset_of_.size(); }
  std::int64_t itemset_of(std::size_t count) const { return itemset_of_[count]; }  // negative: nobody asked for it

  // Adds the counts in n_words words of columns() to sums, one for each of n_counts().
  // On the way it fetches n_words of the columns `next` into the L2 cache, as far as there are steps.
  void run(const Columns& columns, std::int64_t n_words, std::int64_t* sums, const Columns& next = {}) const;

 private:
  struct Step {
    std::uint8_t n_rows, n_tails;
    std::int32_t n_prefix;
    std::size_t members, counts;  // where the prefix, the rows and the tails begin in members_, and the counts
  };
  struct Group;
  struct Slot {
    std::int32_t tail;
    std::int64_t itemsets[kTile];  // of each row; negative: none has this tail
  };

  std::uint32_t number_of(std::int32_t item);
  bool add(const Group* groups, std::size_t n_rows, std::vector<std::int64_t>& order);

  const Itemsets itemsets_;
  std::vector<std::int32_t> used_;
  std::vector<std::uint32_t> numbers_;  // of all columns among those used, plus 1
  std::vector<std::uint32_t> members_;  // columns among those used
  std::vector<Step> steps_;
  std::vector<std::int64_t> itemset_of_;
  std::vector<Slot> slots_;  // kept for the next step
};

}  // namespace askew

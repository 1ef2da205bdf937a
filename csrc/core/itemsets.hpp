// A list of itemsets in compressed rows: itemset s is the conjunction of the columns items[offsets[s]] …
// items[offsets[s + 1] - 1]. The empty itemset is contained in every instance.
#pragma once

#include "core/inline.hpp"
#include "core/integers.hpp"

namespace askew {

struct Itemsets {
  const std::int32_t* items;
  const std::int64_t* offsets;
  std::int64_t size;
};

}  // namespace askew

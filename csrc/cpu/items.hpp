// The columns of one of many itemsets.
#pragma once

#include <cstdint>
#include <span>

#include "core/itemsets.hpp"

namespace askew {

using Items = std::span<const std::int32_t>;

inline Items items_of(const Itemsets& itemsets, std::int64_t s) {
  return {itemsets.items + itemsets.offsets[s], itemsets.items + itemsets.offsets[s + 1]};
}

}  // namespace askew

// How frequent columns are, from a sample of their blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels.hpp"

namespace askew {

// About how many ones each column has that occurs together with another in the itemsets begin … end - 1; nothing if
// these are too few to be worth the thought. That decides what is done, not what comes out.
std::vector<std::int64_t> estimated_ones(const Columns& columns, std::int64_t n_words, const Itemsets& itemsets,
                                         std::int64_t begin, std::int64_t end);

}  // namespace askew

// Distinct rows of few columns: rows are split by one column after the other, as bitmaps.
#pragma once

#include "cpu/kernels.hpp"

namespace askew {

// Up to here splitting takes less time than looking at each row, even where every pattern occurs.
constexpr std::size_t kFewColumns = 8;

// As `patterns`, for n ≥ 1 and at most kFewColumns columns.
Patterns patterns_of_few_columns(const Columns& columns, std::int64_t n, int n_threads, const Monitor& monitor);

}  // namespace askew

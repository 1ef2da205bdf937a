#pragma once

#include "cpu/cells.hpp"
#include "cpu/parallel.hpp"

namespace askew {

void summarize(const Difference& difference, double shift, const CellSummary& out, int n_threads,
               const Monitor& monitor);

}  // namespace askew

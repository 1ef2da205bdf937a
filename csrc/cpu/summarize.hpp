#pragma once

#include <cstdint>

#include "cpu/parallel.hpp"

namespace askew {

// Counts of shape (replicates, sets, groups), the sample first; strides in elements, 0 along what does not vary.
struct CountArray {
  const std::int64_t* counts;
  std::int64_t stride[3];

  const std::int64_t* cell(std::int64_t set, std::int64_t group) const {
    return counts + set * stride[1] + group * stride[2];
  }
};

// Δ = predicted - baseline, each a numerator and a denominator; 0 instead where the baseline is not above
// 1 / (number of groups), if so asked.
struct Difference {
  CountArray predicted[2], baseline[2];
  bool only_above_uniform;
  const std::int8_t* sign;  // a cell contributes sign Δ, or |Δ| without signs
  std::int64_t sign_stride[3];
};

struct CellSummary {
  double* delta;   // (sets, groups, replicates); NaN where undefined
  double* spread;  // (sets, groups): standard deviation of predicted - baseline over the replicates, without the sample
  double* sums;    // (4, replicates) over defined cells: how many, contribution, Δ - shift and its square. Added to
};

void summarize(const Difference& difference, std::int64_t n_rows, std::int64_t n_sets, std::int64_t n_groups,
               double shift, const CellSummary& out, int n_threads, const Monitor& monitor);

}  // namespace askew

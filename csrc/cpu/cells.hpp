// The cells of a metric, a set and a group each, in all replicates: what Δ is made of, and what becomes of it.
#pragma once

#include <cstdint>

#include "core/inline.hpp"

namespace askew {

// Counts of shape (replicates, sets, groups), the sample first; strides in elements, 0 along what does not vary.
struct CountArray {
  const std::int64_t* counts;
  std::int64_t stride[3];
};

struct Ratio {
  CountArray numerator, denominator;
};

// Δ = predicted - baseline, each a numerator and a denominator; 0 instead where the baseline is not above
// 1 / (number of groups), if so asked.
struct Difference {
  Ratio predicted, baseline;
  bool only_above_uniform;
  const std::int8_t* sign;  // a cell contributes sign Δ, or |Δ| without signs
  std::int64_t sign_stride[3];
  const double* lean;  // what decides the sign, where that and Δ share a table; without only_above_uniform
  std::int64_t lean_stride[3];
  std::int64_t n_rows, n_sets, n_groups;
};

struct Cell {
  std::int64_t set, group;
};

// The sample's element of a cell in an array of such strides.
template <class T>
ASKEW_INLINE const T* element(const T* array, const std::int64_t (&stride)[3], Cell cell) {
  return array + cell.set * stride[1] + cell.group * stride[2];
}

struct CellSummary {
  double* delta;   // (sets, groups, replicates); NaN where undefined
  double* spread;  // (sets, groups): standard deviation of predicted - baseline over the replicates, without the sample
  // (sets, groups, replicates): how far predicted - baseline is from the sample's, the sample's from 0, in standard
  // errors. NaN where undefined, where nothing varies, and where the sample's Δ is 0 for its baseline
  double* deviation;
  double* statistic;  // (sets, groups): the sample's deviation on the scale of the population
  double* p;          // (sets, groups): p-value, the share of replicates that deviate as far; NaN without replicates
  // (5, replicates) over defined cells: how many, contribution, Δ - shift and its square; and the contribution from
  // noise alone: how far predicted - baseline is from the sample's, times a factor. Added to
  double* sums;
};

constexpr int kSumsOverCells = 5;
constexpr int kRoomPerRow = 5;  // numbers that the kernel takes for itself

}  // namespace askew

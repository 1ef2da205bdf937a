// The changes that give every stratum its size: see core/multinomial.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {

// The changes of a block of replicates.
class BlockChanges {
 public:
  // One change: the number of a unit times 256, plus the code of what is changed.
  using Change = std::uint64_t;

  BlockChanges() = default;

  // Takes at most `most_added` additions of a unit in a replicate; the others are `left`.
  BlockChanges(std::vector<Change> changes, std::int64_t n_units, int most_added);

  Changes view() const { return {groups_.data(), starts_.data(), codes_.data()}; }
  // How much they add to a weight, at most.
  int largest() const { return largest_; }

  std::vector<Change> left;

 private:
  void limit(std::vector<Change>& changes, int most_added);

  std::vector<Changes::Group> groups_;
  std::vector<std::uint32_t> starts_;
  std::vector<std::uint8_t> codes_;
  int largest_ = 0;
};

// The changes of the replicates begin ≤ r < end of a block.
std::vector<BlockChanges::Change> balance(const Units& units, const Draws& draws, std::int64_t block,
                                          std::int64_t begin, std::int64_t end, Watch& watch, int thread);

}  // namespace askew

#include "cpu/estimated_ones.hpp"

#include "cpu/items.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kBlockWords = kBlockBits / kWordBits;
constexpr std::int64_t kSampledBlocks = 16;  // each of them is a wait for memory
constexpr std::int64_t kMinSets = 512;       // fewer than these are not worth the thought

}  // namespace

std::vector<std::int64_t> estimated_ones(const Columns& columns, std::int64_t n_words, const Itemsets& itemsets,
                                         std::int64_t begin, std::int64_t end) {
  if (end - begin < kMinSets || n_words == 0) return {};
  std::vector<std::uint8_t> joined(columns.size());
  for (std::int64_t s = begin; s < end; ++s)
    if (const Items items = items_of(itemsets, s); items.size() > 1)
      for (const std::int32_t item : items) joined[static_cast<std::size_t>(item)] = 1;
  const std::int64_t n_blocks = n_words / kBlockWords, n_sampled = std::min(n_blocks, kSampledBlocks);
  std::vector<std::int64_t> ones(columns.size(), 0);
  const auto sampled = [&](std::size_t c, std::int64_t i) {
    return columns[c] + i * n_blocks / n_sampled * kBlockWords;
  };
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (c + 1 < columns.size() && joined[c + 1] != 0)
      for (std::int64_t i = 0; i < n_sampled; ++i) __builtin_prefetch(sampled(c + 1, i));
    if (joined[c] == 0) continue;
    for (std::int64_t i = 0; i < n_sampled; ++i) {
      const Word* block = sampled(c, i);
      simd().count_tile(nullptr, 0, &block, 1, &block, 1, kBlockWords, &ones[c], 1, nullptr);
    }
    ones[c] = ones[c] * n_blocks / n_sampled + 1;
  }
  return ones;
}

}  // namespace askew

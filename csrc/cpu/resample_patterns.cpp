// Counts under the bootstrap weights of distinct rows: a draw for each bit of a row's multiplicity, added to the counts
// of the itemsets that the row contains.
#include <algorithm>

#include "cpu/incidence.hpp"
#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

// The weights of a pattern in one block of replicates.
class PatternWeights {
 public:
  PatternWeights(const PatternDraws& draws, std::uint32_t block)
      : draws_(draws), key_(pattern_key(draws.seed, draws.table)), block_(block) {}

  const std::int64_t* of(std::int64_t pattern) {
    std::fill_n(weights_, kBlockReplicates, std::int64_t{0});
    const std::int64_t multiplicity = draws_.multiplicities[pattern];
    for (int bit = 0; bit < kTopBit; ++bit)
      if ((multiplicity >> bit & 1) != 0) add(pattern, static_cast<std::uint32_t>(bit), draws_.tables[bit]);
    for (std::int64_t copy = 0; copy < multiplicity >> kTopBit; ++copy)
      add(pattern, static_cast<std::uint32_t>(kTopBit + copy), draws_.tables[kTopBit]);
    return weights_;
  }

 private:
  void add(std::int64_t pattern, std::uint32_t draw, const PoissonTable& table) {
    std::uint32_t uniforms[kBlockReplicates];
    kernels_.uniforms(key_, static_cast<std::uint64_t>(pattern), draw, block_, uniforms);
    for (int r = 0; r < kBlockReplicates; ++r) weights_[r] += poisson_draw(table, uniforms[r]);
  }

  const SimdKernels& kernels_ = simd();
  const PatternDraws& draws_;
  const ThreefryKey key_;
  const std::uint32_t block_;
  std::int64_t weights_[kBlockReplicates];
};

void add_piece(const IncidencePiece& piece, PatternWeights& weights, const ReplicateCounts& out,
               std::int64_t first_replicate) {
  const std::int64_t from = std::max(out.begin, first_replicate);
  const std::int64_t to = std::min(out.end, first_replicate + kBlockReplicates);
  for (std::size_t batch = 0; batch + 1 < piece.batches.size(); ++batch) {
    std::uint32_t place = piece.batches[batch].row;
    const std::int64_t* weight = nullptr;
    for (std::uint32_t i = piece.batches[batch].entry; i < piece.batches[batch + 1].entry; ++i) {
      const std::uint32_t skipped = piece.entries[i] & kSkippedRows;
      if (skipped > 0 || weight == nullptr) {
        place += skipped;
        weight = weights.of(piece.first_row + piece.rows[place]) + (from - first_replicate);
      }
      std::int64_t* counts = out.counts + piece.entries[i] / kBlockReplicates * out.stride + (from - out.begin);
      for (std::int64_t r = 0; r < to - from; ++r) counts[r] += weight[r];
    }
  }
}

}  // namespace

void resample_patterns(const Columns& columns, std::int64_t n, const Itemsets& itemsets, const PatternDraws& draws,
                       const ReplicateCounts& out, int n_threads, const Monitor& monitor) {
  if (out.begin == out.end) return;
  const std::int64_t first_block = out.begin / kBlockReplicates;
  const std::int64_t n_blocks = (out.end - 1) / kBlockReplicates - first_block + 1;
  for_slices(itemsets, kMaxItemsetsPerChunk, monitor, [&](const Itemsets& some, std::int64_t s, const Monitor& part) {
    const ReplicateCounts counts{out.counts + s * out.stride, out.stride, out.begin, out.end};
    for (std::int64_t row = 0; row < n;) {
      const Monitor at_row = [&](std::int64_t, std::int64_t) { part(row, n); };
      const IncidenceChunk chunk = build_incidence(columns, n, some, row, {255, 0}, {}, n_threads, at_row);
      parallel_for(n_blocks, n_threads, at_row, [&](std::int64_t task, int thread, Watch& watch) {
        const std::int64_t block = first_block + task;
        PatternWeights weights(draws, static_cast<std::uint32_t>(block));
        for (const IncidencePiece& piece : chunk.pieces) {
          watch.check(thread);
          add_piece(piece, weights, counts, block * kBlockReplicates);
        }
      });
      row += chunk.n_rows;
    }
  });
}

}  // namespace askew

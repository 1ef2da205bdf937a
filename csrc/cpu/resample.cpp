// Counts under bootstrap weights. The weights of a row for a block of replicates are generated in registers and added
// to the sums of the itemsets that the row contains, in 8 bits, widened just before they could overflow.
#include <cmath>
#include <mutex>

#include "cpu/balance.hpp"
#include "cpu/incidence.hpp"
#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kSumBytes = std::int64_t{1} << 25;  // of all threads
constexpr std::int64_t kBytesPerItemset = 3 * kBlockReplicates + 2;
constexpr std::int64_t kMaxChanges = std::int64_t{1} << 21;  // at a time, as many as are to be expected
constexpr std::int64_t kMaxGroupBytes = std::int64_t{1} << 24;
constexpr std::int64_t kFrequentFrom = 16;  // measured: benchmarks/dense_memberships.cpp

// Sums of one thread, for one block of replicates at a time.
class ThreadSums {
 public:
  void allocate(std::int64_t n_itemsets, int rows_per_flush, int max_flushes) {
    if (!sum8_.empty()) return;
    const auto size = static_cast<std::size_t>(n_itemsets * kBlockReplicates);
    sum8_.assign(size + 64, 0);
    sum16_.assign(size + 32, 0);
    flushes_.assign(static_cast<std::size_t>(n_itemsets), 0);
    view_ = {aligned(sum8_), aligned(sum16_), flushes_.data(), rows_per_flush, max_flushes, &spill, this};
  }

  // Aims the sums at the replicates of a block. `mutex` guards their counts.
  const Accumulators& aim(const ReplicateCounts& out, std::int64_t block, std::mutex& mutex) {
    out_ = out;
    first_ = block * kBlockReplicates;
    mutex_ = &mutex;
    return view_;
  }

  // Empties all sums into the counts.
  void drain() {
    const std::lock_guard<std::mutex> lock(*mutex_);
    for (std::size_t s = 0; s < flushes_.size(); ++s) {
      std::uint8_t* sum8 = view_.sum8 + s * kBlockReplicates;
      std::uint16_t* sum16 = view_.sum16 + s * kBlockReplicates;
      add_to_counts(static_cast<std::int64_t>(s),
                    [=](int lane, int lane16) { return sum8[lane] + std::uint32_t{sum16[lane16]}; });
      std::fill_n(sum8, kBlockReplicates, std::uint8_t{0});
      std::fill_n(sum16, kBlockReplicates, std::uint16_t{0});
      flushes_[s] = 0;
    }
  }

 private:
  static void spill(void* context, std::int64_t itemset) {
    const ThreadSums& sums = *static_cast<ThreadSums*>(context);
    std::uint16_t* sum16 = sums.view_.sum16 + itemset * kBlockReplicates;
    const std::lock_guard<std::mutex> lock(*sums.mutex_);
    sums.add_to_counts(itemset, [=](int, int lane16) { return std::uint32_t{sum16[lane16]}; });
    std::fill_n(sum16, kBlockReplicates, std::uint16_t{0});
  }

  // Adds sum(lane, lane16) to the counts of an itemset, for each replicate of the block that is asked for. What a
  // counter of the generator gives stands as in the first one, further on: so the compiler knows where.
  template <class Sum>
  void add_to_counts(std::int64_t itemset, const Sum& sum) const {
    constexpr int kPerCounter = 8, kLanes = lane_of(kPerCounter), kLanes16 = lane16_of(kPerCounter);
    std::uint32_t sums[kBlockReplicates];
    for (int c = 0; c < kBlockReplicates / kPerCounter; ++c)
      for (int i = 0; i < kPerCounter; ++i)
        sums[kPerCounter * c + i] = sum(lane_of(i) + kLanes * c, lane16_of(i) + kLanes16 * c);
    const std::int64_t begin = std::max(out_.begin, first_), end = std::min(out_.end, first_ + kBlockReplicates);
    std::int64_t* counts = out_.counts + itemset * out_.stride + (begin - out_.begin);
    constexpr std::int64_t kLine = 64 / sizeof(std::int64_t);
    for (std::int64_t i = 0; i < end - begin; i += kLine) __builtin_prefetch(counts + out_.stride + i, 1);
    for (std::int64_t i = 0; i < end - begin; ++i) counts[i] += sums[begin - first_ + i];
  }

  // Where cache lines begin.
  template <class Sum>
  static Sum* aligned(std::vector<Sum>& sums) {
    const auto address = reinterpret_cast<std::uintptr_t>(sums.data());
    return sums.data() + (64 - address % 64) % 64 / sizeof(Sum);
  }

  std::vector<std::uint8_t> sum8_;
  std::vector<std::uint16_t> sum16_, flushes_;
  Accumulators view_{};
  ReplicateCounts out_{};
  std::int64_t first_ = 0;  // replicate of the block
  std::mutex* mutex_ = nullptr;
};

// Whose weights the rows have, in all blocks of replicates that are asked for.
struct Weighing {
  const std::uint32_t* unit_of_row;
  const std::vector<BlockChanges>& changes;  // one for each block, or none
  bool drawn;
  int largest_weight;

  RowUnits of(const IncidencePiece& piece, std::int64_t block, Changes& view) const {
    if (!changes.empty()) view = changes[static_cast<std::size_t>(block)].view();
    return {unit_of_row == nullptr ? nullptr : unit_of_row + piece.first_row, changes.empty() ? nullptr : &view, drawn};
  }
};

// Resamples itemsets that are few enough for the sums of all threads to fit kSumBytes.
void resample_some(const Columns& columns, std::int64_t n, const Itemsets& itemsets, const Draws& draws,
                   std::uint64_t first_row, const Weighing& weighing, const ReplicateCounts& out, SampleCounts sample,
                   int n_threads, const Monitor& monitor) {
  const SimdKernels& kernels = simd();
  const int largest_weight = weighing.largest_weight;
  const int rows_per_flush = 255 / largest_weight;
  const int max_flushes = 65535 / (rows_per_flush * largest_weight);
  const std::int64_t first_block = out.begin / kBlockReplicates;
  const std::int64_t n_blocks = (out.end - 1) / kBlockReplicates - first_block + 1;

  std::vector<ThreadSums> sums(static_cast<std::size_t>(n_threads));
  std::vector<std::mutex> block_mutex(static_cast<std::size_t>(n_blocks));

  for (std::int64_t row = 0; row < n;) {
    const Monitor building = [&](std::int64_t, std::int64_t) { monitor(row, n); };
    const IncidenceChunk chunk =
        build_incidence(columns, n, itemsets, row, {rows_per_flush, kFrequentFrom}, sample, n_threads, building);
    const auto n_pieces = static_cast<std::int64_t>(chunk.pieces.size());
    // Enough parts to keep every thread busy to the end, and none so short that draining its sums would cost more than
    // filling them.
    const std::int64_t for_threads = n_threads == 1 ? 1 : (4 * n_threads + n_blocks - 1) / n_blocks;
    const std::int64_t worth_draining = chunk.n_entries / (64 * itemsets.size) + 1;
    const std::int64_t n_parts = std::min({n_pieces, for_threads, worth_draining});
    const Monitor adding = [&](std::int64_t done, std::int64_t total) {
      monitor(row + chunk.n_rows * done / total, n);
    };
    parallel_for(n_blocks * n_parts, n_threads, adding, [&](std::int64_t task, int thread, Watch& watch) {
      const std::int64_t block = task / n_parts, part = task % n_parts;
      ThreadSums& mine = sums[static_cast<std::size_t>(thread)];
      mine.allocate(itemsets.size, rows_per_flush, max_flushes);
      const Accumulators& view = mine.aim(out, first_block + block, block_mutex[static_cast<std::size_t>(block)]);
      for (std::int64_t i = n_pieces * part / n_parts; i < n_pieces * (part + 1) / n_parts; ++i) {
        watch.check(thread);
        const IncidencePiece& piece = chunk.pieces[static_cast<std::size_t>(i)];
        Changes changes;
        kernels.accumulate(piece.view(), first_row + static_cast<std::uint64_t>(piece.first_row),
                           weighing.of(piece, block, changes), draws, static_cast<std::uint32_t>(first_block + block),
                           view);
      }
      mine.drain();
    });
    row += chunk.n_rows;
  }
}

void resample_slices(const Columns& columns, std::int64_t n, const Itemsets& itemsets, const Draws& draws,
                     std::uint64_t first_row, const Weighing& weighing, const ReplicateCounts& out, SampleCounts sample,
                     int n_threads, const Monitor& monitor) {
  const std::int64_t fitting = kSumBytes / (kBytesPerItemset * n_threads);
  for_slices(itemsets, std::clamp<std::int64_t>(fitting, 1024, kMaxItemsetsPerChunk), monitor,
             [&](const Itemsets& some, std::int64_t s, const Monitor& part) {
               const ReplicateCounts counts{out.counts + s * out.stride, out.stride, out.begin, out.end};
               const SampleCounts own{sample.counts == nullptr ? nullptr : sample.counts + s * sample.stride,
                                      sample.stride};
               resample_some(columns, n, some, draws, first_row, weighing, counts, own, n_threads, part);
             });
}

// How many replicates to balance at a time, so that their changes fit the memory. The difference of a stratum's Poisson
// weights from its size has the mean √(2 size / π) at most.
std::int64_t replicates_at_a_time(const Units& units) {
  double deviations = 0;
  for (std::int64_t h = 0; h < units.n_strata; ++h)
    deviations += std::sqrt(static_cast<double>(units.bounds[h + 1] - units.bounds[h]));
  const auto for_changes =
      static_cast<std::int64_t>(static_cast<double>(kMaxChanges) / std::max(0.8 * deviations, 1.0));
  const std::int64_t group_bytes = words_for(units.size()) * static_cast<std::int64_t>(sizeof(Changes::Group));
  const std::int64_t blocks = std::max<std::int64_t>(kMaxGroupBytes / std::max<std::int64_t>(group_bytes, 1), 1);
  return std::clamp<std::int64_t>(for_changes, 1, blocks * kBlockReplicates);
}

// Draws, balances and counts. What a weight of 8 bits has no room for is counted after the rest.
void resample_balanced(const Columns& columns, std::int64_t n, const Itemsets& itemsets, const Draws& draws,
                       const Units& units, const ReplicateCounts& out, SampleCounts sample, int n_threads,
                       const Monitor& monitor) {
  const std::int64_t first_block = out.begin / kBlockReplicates;
  const std::int64_t n_blocks = (out.end - 1) / kBlockReplicates - first_block + 1;
  std::vector<BlockChanges> changes(static_cast<std::size_t>(n_blocks));
  const Monitor balancing = [&](std::int64_t, std::int64_t) { monitor(0, 1); };
  parallel_for(n_blocks, n_threads, balancing, [&](std::int64_t task, int thread, Watch& watch) {
    changes[static_cast<std::size_t>(task)] = BlockChanges(
        balance(units, draws, first_block + task, out.begin, out.end, watch, thread), units.size(), units.most_added);
  });
  for (bool drawn = true, more = true; more; drawn = false) {
    int most_added = 1;
    for (const BlockChanges& block : changes) most_added = std::max(most_added, block.largest());
    const int largest = most_added + (drawn ? draws.distribution->n_outcomes - 1 : 0);
    const SampleCounts once = drawn ? sample : SampleCounts{};
    resample_slices(columns, n, itemsets, draws, 0, {units.of_row, changes, drawn, largest}, out, once, n_threads,
                    monitor);
    more = false;
    for (BlockChanges& block : changes) {
      more = more || !block.left.empty();
      block = BlockChanges(std::move(block.left), units.size(), units.most_added);
    }
  }
}

}  // namespace

void resample(const Columns& columns, std::int64_t n, const Itemsets& itemsets, const Draws& draws,
              std::uint64_t first_row, const Units& units, const ReplicateCounts& out, SampleCounts sample,
              int n_threads, const Monitor& monitor) {
  if (out.begin == out.end) return;
  if (units.n_strata == 0) {
    const int largest_weight = draws.distribution->n_outcomes - 1;
    resample_slices(columns, n, itemsets, draws, first_row, {units.of_row, {}, true, largest_weight}, out, sample,
                    n_threads, monitor);
    return;
  }
  const std::int64_t step = replicates_at_a_time(units);
  for (std::int64_t begin = out.begin, end; begin < out.end; begin = end) {
    const std::int64_t in_block = begin % kBlockReplicates;
    end = step < kBlockReplicates ? std::min(begin + step, begin - in_block + kBlockReplicates)
                                  : begin - in_block + step / kBlockReplicates * kBlockReplicates;
    end = std::min(end, out.end);
    const Monitor part = [&](std::int64_t done, std::int64_t total) {
      if (monitor)
        monitor((begin - out.begin) * 1000 + (end - begin) * 1000 / total * done, (out.end - out.begin) * 1000);
    };
    const SampleCounts once = begin == out.begin ? sample : SampleCounts{};
    resample_balanced(columns, n, itemsets, draws, units, {out.counts + begin - out.begin, out.stride, begin, end},
                      once, n_threads, part);
  }
}

}  // namespace askew

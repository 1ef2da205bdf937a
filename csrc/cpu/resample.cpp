// Counts under bootstrap weights. The weights of a row for a block of replicates are generated in registers and added
// to the sums of the itemsets that the row contains, in 8 bits, widened just before they could overflow.
#include <mutex>

#include "cpu/incidence.hpp"
#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kWideBytes = std::int64_t{1} << 20;  // 8-bit sums that still share the L2 cache with the rest
constexpr std::int64_t kEntriesPerTask = std::int64_t{1} << 23;
constexpr std::int64_t kSumBytes = std::int64_t{1} << 25;  // of all threads

// Sums of one thread: 7 bytes for each itemset and replicate of a block.
class ThreadSums {
 public:
  void allocate(std::int64_t n_itemsets, int width) {
    if (!sum8_.empty()) return;
    const auto size = static_cast<std::size_t>(n_itemsets * width);
    sum8_.assign(size + 64, 0);
    sum16_.assign(size, 0);
    sum32_.assign(size, 0);
    flushes_.assign(static_cast<std::size_t>(n_itemsets), 0);
  }

  Accumulators view(std::uint16_t max_flushes) {
    auto address = reinterpret_cast<std::uintptr_t>(sum8_.data());
    return {sum8_.data() + (64 - address % 64) % 64, sum16_.data(), sum32_.data(), flushes_.data(), max_flushes};
  }

 private:
  std::vector<std::uint8_t> sum8_;
  std::vector<std::uint16_t> sum16_, flushes_;
  std::vector<std::uint32_t> sum32_;
};

// Resamples itemsets that are few enough for the sums of all threads to fit kSumBytes.
void resample_some(const Columns& columns, std::int64_t n, const Itemsets& itemsets, const Draws& draws,
                   std::uint64_t first_row, std::uint32_t begin, std::uint32_t end, std::int64_t* out,
                   std::int64_t stride, int n_threads, const Monitor& monitor) {
  const SimdKernels& kernels = simd();
  const int largest_weight = draws.distribution->n_outcomes - 1;
  const int rows_per_flush = 255 / largest_weight;
  const auto max_flushes = static_cast<std::uint16_t>(65535 / (rows_per_flush * largest_weight));
  const int width = itemsets.size * kWide <= kWideBytes && end - begin > kNarrow ? kWide : kNarrow;
  const std::uint32_t first_block = begin / static_cast<std::uint32_t>(width);
  const std::int64_t n_blocks = (end - 1) / static_cast<std::uint32_t>(width) - first_block + 1;

  std::vector<ThreadSums> sums(static_cast<std::size_t>(n_threads));
  std::vector<std::mutex> block_mutex(static_cast<std::size_t>(n_blocks));
  std::vector<int> lanes;
  for (int r = 0; r < width; ++r) lanes.push_back(lane_of(r, width));

  for (std::int64_t row = 0; row < n;) {
    const Monitor building = [&](std::int64_t, std::int64_t) { monitor(row, n); };
    building(0, 1);  // once for each chunk, however short its loops are
    const IncidenceChunk chunk = build_incidence(columns, n, itemsets, row, rows_per_flush, n_threads, building);
    const auto n_pieces = static_cast<std::int64_t>(chunk.pieces.size());
    // Enough parts to keep every thread busy to the end, none so long that it would delay Ctrl-C, and none so short
    // that draining its sums would cost more than filling them.
    const std::int64_t for_latency = chunk.n_entries / kEntriesPerTask + 1;
    const std::int64_t for_threads = n_threads == 1 ? 1 : (4 * n_threads + n_blocks - 1) / n_blocks;
    const std::int64_t worth_draining = chunk.n_entries / (64 * itemsets.size) + 1;
    const std::int64_t n_parts = std::min({n_pieces, std::max(for_threads, for_latency), worth_draining});
    const Monitor adding = [&](std::int64_t done, std::int64_t total) {
      monitor(row + chunk.n_rows * done / total, n);
    };
    parallel_for(n_blocks * n_parts, n_threads, adding, [&](std::int64_t task, int thread, Watch& watch) {
      const std::int64_t block = task / n_parts, part = task % n_parts;
      ThreadSums& mine = sums[static_cast<std::size_t>(thread)];
      mine.allocate(itemsets.size, width);
      const Accumulators view = mine.view(max_flushes);
      for (std::int64_t piece = n_pieces * part / n_parts; piece < n_pieces * (part + 1) / n_parts; ++piece) {
        watch.check(thread);
        kernels.accumulate(chunk.pieces[static_cast<std::size_t>(piece)].view(),
                           first_row + static_cast<std::uint64_t>(row + piece * chunk.rows_per_piece), draws,
                           first_block + static_cast<std::uint32_t>(block), width, view);
      }
      kernels.drain(itemsets.size, width, view);

      const std::int64_t first = (first_block + block) * width;  // replicate of lanes[0]
      const std::int64_t from = std::max<std::int64_t>(begin, first), to = std::min<std::int64_t>(end, first + width);
      const std::lock_guard<std::mutex> lock(block_mutex[static_cast<std::size_t>(block)]);
      for (std::int64_t s = 0; s < itemsets.size; ++s) {
        std::uint32_t* sum = view.sum32 + s * width;
        for (std::int64_t r = from; r < to; ++r)
          out[s * stride + r - begin] += sum[lanes[static_cast<std::size_t>(r - first)]];
        std::fill(sum, sum + width, std::uint32_t{0});
      }
    });
    row += chunk.n_rows;
  }
}

}  // namespace

void resample(const Columns& columns, std::int64_t n, const Itemsets& itemsets, const Draws& draws,
              std::uint64_t first_row, std::uint32_t begin, std::uint32_t end, std::int64_t* out, std::int64_t stride,
              int n_threads, const Monitor& monitor) {
  if (begin == end) return;
  const std::int64_t step = std::clamp<std::int64_t>(kSumBytes / (7 * kNarrow * n_threads), 1024, kMaxItemsetsPerChunk);
  for (std::int64_t s = 0; s < itemsets.size; s += step) {
    const std::int64_t size = std::min(step, itemsets.size - s);
    std::vector<std::int64_t> offsets(itemsets.offsets + s, itemsets.offsets + s + size + 1);
    for (std::int64_t& offset : offsets) offset -= itemsets.offsets[s];
    const Itemsets some{itemsets.items + itemsets.offsets[s], offsets.data(), size};
    const Monitor part = [&](std::int64_t done, std::int64_t total) {
      if (monitor) monitor(s * 1000 + size * 1000 / total * done, itemsets.size * 1000);
    };
    resample_some(columns, n, some, draws, first_row, begin, end, out + s * stride, stride, n_threads, part);
  }
}

}  // namespace askew

// From counts to what the metrics need of their cells: Δ in every replicate, sums over cells, spread over replicates.
// askew.metrics and askew.summary state it in NumPy.
#include "cpu/summarize.hpp"

#include <algorithm>
#include <vector>

#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kMaxParts = 16;  // cut by the number of cells alone: no sum depends on the threads
constexpr std::int64_t kSumsOfParts = std::int64_t{1} << 22;

}  // namespace

void summarize(const Difference& difference, double shift, const CellSummary& out, int n_threads,
               const Monitor& monitor) {
  const SimdKernels& kernels = simd();
  const std::int64_t n_rows = difference.n_rows, n_sets = difference.n_sets, n_sums = kSumsOverCells * n_rows;
  const std::int64_t n_parts = std::min(n_sets, std::clamp<std::int64_t>(kSumsOfParts / n_sums, 1, kMaxParts));
  std::vector<std::vector<double>> sums(static_cast<std::size_t>(n_parts));
  parallel_for(n_parts, n_threads, monitor, [&](std::int64_t part, int thread, Watch& watch) {
    std::vector<double> room(static_cast<std::size_t>(kRoomPerRow * n_rows));
    std::vector<double>& mine = sums[static_cast<std::size_t>(part)];
    mine.assign(static_cast<std::size_t>(n_sums), 0.0);
    CellSummary own = out;
    own.sums = mine.data();
    for (std::int64_t s = n_sets * part / n_parts; s < n_sets * (part + 1) / n_parts; ++s)
      for (std::int64_t g = 0; g < difference.n_groups; ++g) {
        watch.check(thread);
        kernels.summarize_cell(difference, {s, g}, shift, own, room.data());
      }
  });
  for (const std::vector<double>& part : sums)
    for (std::int64_t i = 0; i < n_sums; ++i) out.sums[i] += part[static_cast<std::size_t>(i)];
}

}  // namespace askew

#include "cpu/incidence.hpp"

#include <numeric>

namespace askew {
namespace {

constexpr std::int64_t kMaxRowsPerPiece = kMaxOnesWords * kWordBits;
constexpr std::int64_t kEntriesPerPiece = 1 << 18;  // which are put in order within the L2 cache
constexpr std::int64_t kMaxRowsPerChunk = 1 << 23;  // 32-bit sums of weights up to 12 cannot overflow
constexpr std::int64_t kMaxCounters = 1 << 23;      // of itemsets in pieces

// The itemsets, with their columns as pointers.
class Conjunctions {
 public:
  Conjunctions(const Columns& columns, const Itemsets& itemsets) : itemsets_(itemsets) {
    members_.reserve(static_cast<std::size_t>(itemsets.offsets[itemsets.size]));
    for (std::int64_t i = 0; i < itemsets.offsets[itemsets.size]; ++i)
      members_.push_back(columns[static_cast<std::size_t>(itemsets.items[i])]);
  }

  std::int64_t size() const { return itemsets_.size; }

  // Which of the rows begin … begin + n_rows - 1 contain itemset s, counted from `begin`; begin is a multiple of 512.
  std::int64_t rows(std::int64_t s, std::int64_t begin, std::int64_t n_rows, std::uint16_t* out) const {
    const std::int64_t k = itemsets_.offsets[s + 1] - itemsets_.offsets[s];
    if (k > 0)
      return kernels_.ones_of(members_.data() + itemsets_.offsets[s], k, begin / kWordBits, words_for(n_rows), out);
    std::iota(out, out + n_rows, std::uint16_t{0});
    return n_rows;
  }

 private:
  const SimdKernels& kernels_ = simd();
  const Itemsets& itemsets_;
  std::vector<const Word*> members_;
};

// The members of a piece, itemset by itemset, and how many itemsets each of its rows is a member of.
struct Members {
  std::vector<std::uint16_t> rows;
  std::vector<std::uint32_t> itemsets_of_row;
};

Members members_of(const Conjunctions& conjunctions, std::int64_t begin, std::int64_t n_rows, std::uint16_t* counts) {
  Members members;
  members.itemsets_of_row.assign(static_cast<std::size_t>(n_rows) + 1, 0);
  std::vector<std::uint16_t> rows(static_cast<std::size_t>(n_rows));
  for (std::int64_t s = 0; s < conjunctions.size(); ++s) {
    const std::int64_t n = conjunctions.rows(s, begin, n_rows, rows.data());
    counts[s] = static_cast<std::uint16_t>(n);
    for (std::int64_t i = 0; i < n; ++i) ++members.itemsets_of_row[rows[static_cast<std::size_t>(i)]];
    members.rows.insert(members.rows.end(), rows.begin(), rows.begin() + n);
  }
  return members;
}

// From itemset by itemset to row by row. phases[s]: how many entries of s went before this piece since its last flush.
IncidencePiece by_row(Members members, const std::uint16_t* counts, const std::uint8_t* phases, std::int64_t n_itemsets,
                      int rows_per_flush) {
  IncidencePiece piece;
  piece.entries = std::make_unique_for_overwrite<std::uint32_t[]>(members.rows.size());
  piece.starts = std::move(members.itemsets_of_row);
  std::exclusive_scan(piece.starts.begin(), piece.starts.end(), piece.starts.begin(), std::uint32_t{0});
  const std::uint16_t* row = members.rows.data();
  for (std::int64_t s = 0; s < n_itemsets; ++s) {
    int phase = phases[s];
    for (std::uint16_t i = 0; i < counts[s]; ++i) {
      const bool flush = ++phase == rows_per_flush;
      if (flush) phase = 0;
      piece.entries[piece.starts[*row++]++] = static_cast<std::uint32_t>(s) | (flush ? kFlush : 0);
    }
  }
  // each start has moved to the next row's: move them back
  std::move_backward(piece.starts.begin(), piece.starts.end() - 1, piece.starts.end());
  piece.starts[0] = 0;
  return piece;
}

// A multiple of 512 rows that have about kEntriesPerPiece entries, judged by the first 512, and that stay within the
// memory even if every other row contains every itemset.
std::int64_t rows_of_a_piece(const Conjunctions& conjunctions, std::int64_t begin, std::int64_t left) {
  std::vector<std::uint16_t> rows(kBlockBits);
  const std::int64_t n_rows = std::min(left, kBlockBits);
  std::int64_t n_entries = 1;
  for (std::int64_t s = 0; s < conjunctions.size(); ++s) n_entries += conjunctions.rows(s, begin, n_rows, rows.data());
  const std::int64_t fitting = kEntriesPerPiece / ((n_entries + n_rows - 1) / n_rows);
  const std::int64_t bound = std::min(fitting, kIncidenceBytes / 4 / conjunctions.size());
  return std::clamp(bound / kBlockBits * kBlockBits, kBlockBits, kMaxRowsPerPiece);
}

}  // namespace

IncidenceChunk build_incidence(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t first_row,
                               int rows_per_flush, int n_threads, const Monitor& monitor) {
  const Conjunctions conjunctions(columns, itemsets);
  const auto n_sets = static_cast<std::size_t>(itemsets.size);
  const std::int64_t left = std::min(n - first_row, kMaxRowsPerChunk);
  IncidenceChunk chunk{0, rows_of_a_piece(conjunctions, first_row, left), 0, {}};
  const std::int64_t max_pieces = std::clamp<std::int64_t>(kMaxCounters / itemsets.size, 1,
                                                           (left + chunk.rows_per_piece - 1) / chunk.rows_per_piece);

  // A few pieces at a time, until the memory is used up. counts: how many rows of each piece contain each itemset.
  std::vector<Members> members;
  std::vector<std::uint16_t> counts;
  for (bool fits = true; fits && std::ssize(members) < max_pieces;) {
    const std::int64_t done = std::ssize(members);
    const std::int64_t more = std::min<std::int64_t>(max_pieces - done, 2 * n_threads);
    members.resize(static_cast<std::size_t>(done + more));
    counts.resize(members.size() * n_sets);
    parallel_for(more, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
      const std::int64_t piece = done + task, begin = piece * chunk.rows_per_piece;
      members[static_cast<std::size_t>(piece)] =
          members_of(conjunctions, first_row + begin, std::min(chunk.rows_per_piece, left - begin),
                     counts.data() + static_cast<std::size_t>(piece) * n_sets);
    });
    for (auto piece = static_cast<std::size_t>(done); piece < members.size(); ++piece) {
      const std::int64_t with_this = chunk.n_entries + std::ssize(members[piece].rows);
      fits = piece == 0 || with_this * 4 <= kIncidenceBytes;
      if (!fits)
        members.resize(piece);
      else
        chunk.n_entries = with_this;
    }
  }
  chunk.n_rows = std::min(left, std::ssize(members) * chunk.rows_per_piece);
  chunk.pieces.resize(members.size());

  std::vector<std::uint8_t> phases(members.size() * n_sets, 0);
  constexpr std::int64_t kSetsPerTask = 1024;
  const std::int64_t n_ranges = (itemsets.size + kSetsPerTask - 1) / kSetsPerTask;
  parallel_for(n_ranges, n_threads, monitor, [&](std::int64_t range, int, Watch&) {
    const auto first = static_cast<std::size_t>(range * kSetsPerTask);
    const auto last = static_cast<std::size_t>(std::min(itemsets.size, (range + 1) * kSetsPerTask));
    for (std::size_t piece = 1; piece < members.size(); ++piece)
      for (std::size_t s = first; s < last; ++s) {
        const std::size_t before = (piece - 1) * n_sets + s;
        phases[before + n_sets] = static_cast<std::uint8_t>((phases[before] + counts[before]) % rows_per_flush);
      }
  });
  parallel_for(std::ssize(members), n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    const auto piece = static_cast<std::size_t>(task);
    chunk.pieces[piece] = by_row(std::move(members[piece]), counts.data() + piece * n_sets,
                                 phases.data() + piece * n_sets, itemsets.size, rows_per_flush);
  });
  return chunk;
}

}  // namespace askew

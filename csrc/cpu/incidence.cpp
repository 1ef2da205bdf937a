#include "cpu/incidence.hpp"

#include <numeric>
#include <optional>
#include <utility>

namespace askew {
namespace {

constexpr std::int64_t kMaxRowsPerPiece = kMaxOnesWords * kWordBits;  // whose part of a column is a page of memory
constexpr std::int64_t kMaxEntriesPerPiece = 1 << 20;
constexpr std::int64_t kMaxRowsPerChunk = 1 << 23;
constexpr std::int64_t kMaxCounters = 1 << 23;  // of itemsets in pieces

// The itemsets, with their columns as pointers.
class Conjunctions {
 public:
  Conjunctions(const Columns& columns, const Itemsets& itemsets) : itemsets_(itemsets) {
    members_.reserve(static_cast<std::size_t>(itemsets.offsets[itemsets.size]) + 1);
    for (std::int64_t i = 0; i < itemsets.offsets[itemsets.size]; ++i)
      members_.push_back(columns[static_cast<std::size_t>(itemsets.items[i])]);
    if (!members_.empty()) members_.push_back(members_.back());  // to be fetched after the last itemset
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

// The members of a run of rows, itemset by itemset: how many rows contain each, which ones, and how many itemsets each
// row is a member of.
struct Members {
  std::int64_t first_row;
  std::vector<std::uint16_t> counts;
  std::vector<std::uint16_t> rows;
  std::vector<std::uint32_t> itemsets_of_row;
};

// Nothing if there are more than kMaxEntriesPerPiece, and fewer rows could be tried.
std::optional<Members> members_of(const Conjunctions& conjunctions, std::int64_t first_row, std::int64_t n_rows) {
  Members members{first_row, {}, {}, std::vector<std::uint32_t>(static_cast<std::size_t>(n_rows))};
  members.counts.reserve(static_cast<std::size_t>(conjunctions.size()));
  std::size_t size = 0;
  for (std::int64_t s = 0; s < conjunctions.size(); ++s) {
    const std::size_t needed = size + static_cast<std::size_t>(n_rows + kOnesBeyond);
    if (needed > members.rows.size()) members.rows.resize(std::max(needed, 2 * members.rows.size()));
    const std::uint16_t* rows = members.rows.data() + size;
    const std::int64_t n = conjunctions.rows(s, first_row, n_rows, members.rows.data() + size);
    for (std::int64_t i = 0; i < n; ++i) ++members.itemsets_of_row[rows[i]];
    members.counts.push_back(static_cast<std::uint16_t>(n));
    size += static_cast<std::size_t>(n);
    if (size > kMaxEntriesPerPiece && n_rows > kBlockBits) return std::nullopt;
  }
  members.rows.resize(size);
  return members;
}

// Lists the rows that contain any itemset, and makes of the numbers of entries the positions where they begin. Returns
// the batch of each row.
std::vector<std::uint16_t> list_rows(std::vector<std::uint32_t>& entries_of_row, IncidencePiece& piece) {
  std::vector<std::uint16_t> batches(entries_of_row.size());
  std::uint32_t begin = 0;
  for (std::size_t r = 0; r < entries_of_row.size(); ++r) {
    const std::uint32_t n = std::exchange(entries_of_row[r], begin);
    if (n == 0) continue;
    if (piece.rows.size() % kRowsPerBatch == 0) piece.starts.push_back(begin);
    batches[r] = static_cast<std::uint16_t>(piece.rows.size() / kRowsPerBatch);
    piece.rows.push_back(static_cast<std::uint16_t>(r));
    begin += n;
  }
  piece.starts.push_back(begin);
  return batches;
}

// From itemset by itemset to row by row.
IncidencePiece by_row(Members members, int rows_per_flush) {
  IncidencePiece piece;
  piece.first_row = members.first_row;
  std::vector<std::uint32_t>& next = members.itemsets_of_row;
  const std::vector<std::uint16_t> batches = list_rows(next, piece);
  piece.entries = std::make_unique_for_overwrite<std::uint32_t[]>(members.rows.size());
  struct Flush {
    std::uint32_t batch, itemset;
  };
  std::vector<Flush> flushes;
  const std::uint16_t* row = members.rows.data();
  for (std::uint32_t s = 0; s < members.counts.size(); ++s) {
    int unflushed =
        rows_per_flush;  // what earlier pieces left behind is not known, so it may be as much as there can be
    int in_batch = 0;
    std::uint32_t batch = 0;
    for (std::uint16_t i = 0; i < members.counts[s]; ++i, ++row) {
      piece.entries[next[*row]++] = s * kBlockReplicates;
      in_batch = batches[*row] == batch ? in_batch + 1 : 1;
      batch = batches[*row];
      if (++unflushed <= rows_per_flush) continue;
      flushes.push_back({batch, s});
      unflushed = in_batch;
    }
  }
  for (const std::uint16_t r : piece.rows) piece.entries[next[r] - 1] |= kLastOfRow;  // next[r] is now where r ends

  // the flushes, batch by batch
  piece.flush_starts.assign(piece.starts.size() + 1, 0);
  for (const Flush& flush : flushes) ++piece.flush_starts[flush.batch + 2];
  std::partial_sum(piece.flush_starts.begin(), piece.flush_starts.end(), piece.flush_starts.begin());
  piece.flushes.resize(flushes.size());
  for (const Flush& flush : flushes) piece.flushes[piece.flush_starts[flush.batch + 1]++] = flush.itemset;
  return piece;
}

}  // namespace

IncidenceChunk build_incidence(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t first_row,
                               int rows_per_flush, int n_threads, const Monitor& monitor) {
  const Conjunctions conjunctions(columns, itemsets);
  const std::int64_t last_row = std::min(n, first_row + kMaxRowsPerChunk);
  const std::int64_t max_pieces = std::max<std::int64_t>(1, kMaxCounters / itemsets.size);
  IncidenceChunk chunk{0, 0, {}};

  // A piece for each thread at a time, until the memory is used up; shorter ones if they have too many entries.
  std::vector<Members> members;
  std::int64_t rows_per_piece = kMaxRowsPerPiece;
  while (first_row + chunk.n_rows < last_row && chunk.n_entries * 4 < kIncidenceBytes &&
         std::ssize(members) < max_pieces) {
    const std::int64_t begin = first_row + chunk.n_rows;
    const std::int64_t left = (last_row - begin + rows_per_piece - 1) / rows_per_piece;
    std::vector<std::optional<Members>> found(static_cast<std::size_t>(std::min<std::int64_t>(left, n_threads)));
    parallel_for(std::ssize(found), n_threads, monitor, [&](std::int64_t task, int, Watch&) {
      const std::int64_t first = begin + task * rows_per_piece;
      found[static_cast<std::size_t>(task)] =
          members_of(conjunctions, first, std::min(rows_per_piece, last_row - first));
    });
    if (!std::all_of(found.begin(), found.end(), [](const auto& piece) { return piece.has_value(); })) {
      rows_per_piece = std::max(kBlockBits, rows_per_piece / 2);
      continue;
    }
    for (std::optional<Members>& piece : found) {
      chunk.n_entries += std::ssize(piece->rows);
      chunk.n_rows += std::ssize(piece->itemsets_of_row);
      members.push_back(std::move(*piece));
    }
  }

  chunk.pieces.resize(members.size());
  parallel_for(std::ssize(members), n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    const auto piece = static_cast<std::size_t>(task);
    chunk.pieces[piece] = by_row(std::move(members[piece]), rows_per_flush);
  });
  return chunk;
}

}  // namespace askew

#include "cpu/incidence.hpp"

#include <numeric>
#include <optional>
#include <utility>

namespace askew {
namespace {

constexpr std::int64_t kMaxRowsPerPiece = 1 << 14;  // among which entries are scattered within the L2 cache
static_assert(kMaxRowsPerPiece <= kMaxOnesWords * kWordBits);
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

// From itemset by itemset to tiles, batches and rows.
class PieceBuilder {
 public:
  PieceBuilder(Members members, const Flushing& flushing) : members_(std::move(members)), flushing_(flushing) {
    choose_frequent();
    list_rows();
    list_entries();
    list_runs();
  }

  IncidencePiece piece;

 private:
  void choose_frequent() {
    const auto n_rows = static_cast<std::int64_t>(members_.itemsets_of_row.size());
    begins_.push_back(0);
    for (std::uint32_t s = 0; s < members_.counts.size(); ++s) {
      const std::int64_t count = members_.counts[s];
      begins_.push_back(begins_.back() + static_cast<std::uint32_t>(count));
      if (count > 0 && count * flushing_.frequent_from >= n_rows) piece.frequent.push_back(s);
    }
  }

  // The rows that are listed, their batches and tiles; next_entry_[r]: where the entries of row r begin.
  void list_rows() {
    piece.first_row = members_.first_row;
    std::vector<std::uint32_t> n_entries(members_.itemsets_of_row);
    for (const std::uint32_t s : piece.frequent)
      for (std::uint32_t i = begins_[s]; i < begins_[s + 1]; ++i) --n_entries[members_.rows[i]];
    places_.resize(n_entries.size());
    next_entry_.resize(n_entries.size());
    std::uint32_t begin = 0;
    for (std::size_t r = 0; r < n_entries.size(); ++r) {
      if (members_.itemsets_of_row[r] == 0) continue;
      const auto place = static_cast<std::uint32_t>(piece.rows.size());
      if (place % kRowsPerTile == 0) piece.tiles.push_back({static_cast<std::uint32_t>(piece.batches.size()), 0});
      if (place % kRowsPerBatch == 0) piece.batches.push_back({place, begin, 0});
      piece.rows.push_back(static_cast<std::uint16_t>(r));
      places_[r] = static_cast<std::uint16_t>(place);
      next_entry_[r] = begin;
      begin += n_entries[r];
    }
    piece.tiles.push_back({static_cast<std::uint32_t>(piece.batches.size()), 0});
    piece.batches.push_back({static_cast<std::uint32_t>(piece.rows.size()), begin, 0});
    piece.entries = std::make_unique_for_overwrite<std::uint32_t[]>(begin);
  }

  void list_entries() {
    struct Flush {
      std::uint32_t batch, itemset;
    };
    std::vector<Flush> flushes;
    std::size_t f = 0;
    for (std::uint32_t s = 0; s < members_.counts.size(); ++s) {
      if (f < piece.frequent.size() && piece.frequent[f] == s) {
        ++f;
        continue;
      }
      int unflushed = flushing_.rows_per_flush;  // what earlier pieces left behind is not known: as much as can be
      int in_batch = 0;
      std::uint32_t batch = 0;
      for (std::uint32_t i = begins_[s]; i < begins_[s + 1]; ++i) {
        const std::uint16_t r = members_.rows[i];
        piece.entries[next_entry_[r]++] = s * kBlockReplicates;
        const std::uint32_t its_batch = places_[r] / kRowsPerBatch;
        in_batch = its_batch == batch ? in_batch + 1 : 1;
        batch = its_batch;
        if (++unflushed <= flushing_.rows_per_flush) continue;
        flushes.push_back({batch, s});
        unflushed = in_batch;
      }
    }

    // next_entry_[r] is now where the entries of r end: the first of them says how many rows lie before it
    std::uint32_t begin = 0, place_before = 0;
    for (const std::uint16_t r : piece.rows) {
      if (places_[r] % kRowsPerBatch == 0) place_before = places_[r];
      if (next_entry_[r] == begin) continue;
      piece.entries[begin] |= places_[r] - place_before;
      place_before = places_[r];
      begin = next_entry_[r];
    }

    // the flushes, batch by batch
    std::vector<std::uint32_t> starts(piece.batches.size() + 1, 0);
    for (const Flush& flush : flushes) ++starts[flush.batch + 1];
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    for (std::size_t batch = 0; batch < piece.batches.size(); ++batch) piece.batches[batch].flush = starts[batch];
    piece.flushes.resize(flushes.size());
    for (const Flush& flush : flushes) piece.flushes[starts[flush.batch]++] = flush.itemset;
  }

  void list_runs() {
    std::vector<std::uint32_t> next;
    for (const std::uint32_t s : piece.frequent) next.push_back(begins_[s]);
    for (std::size_t tile = 0; tile + 1 < piece.tiles.size(); ++tile) {
      piece.tiles[tile].run = static_cast<std::uint32_t>(piece.runs.size());
      const std::size_t first = tile * kRowsPerTile,
                        size = std::min<std::size_t>(kRowsPerTile, piece.rows.size() - first);
      const std::uint16_t last_row = piece.rows[first + size - 1];
      for (std::size_t f = 0; f < next.size(); ++f) {
        const std::size_t begin = piece.runs.size();
        for (; next[f] < begins_[piece.frequent[f] + 1] && members_.rows[next[f]] <= last_row; ++next[f])
          piece.runs.push_back(
              static_cast<std::uint16_t>((places_[members_.rows[next[f]]] - first) * kBlockReplicates));
        while ((piece.runs.size() - begin) % kRowsPerQuad != 0)
          piece.runs.push_back(static_cast<std::uint16_t>(size * kBlockReplicates));
        piece.quads.push_back(static_cast<std::uint8_t>((piece.runs.size() - begin) / kRowsPerQuad));
      }
    }
    piece.tiles.back().run = static_cast<std::uint32_t>(piece.runs.size());
  }

  Members members_;
  const Flushing flushing_;
  std::vector<std::uint32_t> begins_;      // of each itemset among the members
  std::vector<std::uint16_t> places_;      // of rows among those that are listed
  std::vector<std::uint32_t> next_entry_;  // of rows
};

}  // namespace

IncidenceChunk build_incidence(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t first_row,
                               const Flushing& flushing, SampleCounts sample, int n_threads, const Monitor& monitor) {
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
      if (sample.counts != nullptr)
        for (std::size_t s = 0; s < piece->counts.size(); ++s)
          sample.counts[static_cast<std::int64_t>(s) * sample.stride] += piece->counts[s];
      members.push_back(std::move(*piece));
    }
  }

  chunk.pieces.resize(members.size());
  parallel_for(std::ssize(members), n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    const auto piece = static_cast<std::size_t>(task);
    chunk.pieces[piece] = PieceBuilder(std::move(members[piece]), flushing).piece;
  });
  return chunk;
}

}  // namespace askew

#include "cpu/incidence.hpp"

namespace askew {
namespace {

constexpr std::int64_t kMaxRowsPerPiece = 8192;     // row numbers within a piece fit 16 bits, its columns the L2 cache
constexpr std::int64_t kMaxRowsPerChunk = 1 << 23;  // 32-bit sums of weights up to 12 cannot overflow
constexpr std::int64_t kMaxCounters = 1 << 23;      // of itemsets in pieces
static_assert(kMaxRowsPerChunk % kMaxRowsPerPiece == 0);

// Columns of each itemset, as pointers, in the order of itemsets.items.
std::vector<const Word*> pointers(const Columns& columns, const Itemsets& itemsets) {
  std::vector<const Word*> members;
  members.reserve(static_cast<std::size_t>(itemsets.offsets[itemsets.size]));
  for (std::int64_t i = 0; i < itemsets.offsets[itemsets.size]; ++i)
    members.push_back(columns[static_cast<std::size_t>(itemsets.items[i])]);
  return members;
}

}  // namespace

IncidenceChunk build_incidence(const Columns& columns, std::int64_t n, const Itemsets& itemsets, std::int64_t first_row,
                               int rows_per_flush, int n_threads, const Monitor& monitor) {
  const SimdKernels& kernels = simd();
  const std::vector<const Word*> members = pointers(columns, itemsets);
  const auto n_sets = static_cast<std::size_t>(itemsets.size);
  const auto size_of = [&](std::size_t s) { return itemsets.offsets[s + 1] - itemsets.offsets[s]; };

  // Even if every row contained every itemset, a piece stays within the memory.
  const std::int64_t bound = kIncidenceBytes / 4 / std::max<std::int64_t>(1, itemsets.size) / kBlockBits * kBlockBits;
  const std::int64_t rows = std::clamp(bound, kBlockBits, kMaxRowsPerPiece), words = rows / kWordBits;
  const std::int64_t left = std::min(n - first_row, kMaxRowsPerChunk);
  const std::int64_t max_pieces =
      std::clamp<std::int64_t>(kMaxCounters / std::max<std::int64_t>(1, itemsets.size), 1, (left + rows - 1) / rows);
  const auto rows_of = [&](std::int64_t piece) { return std::min(rows, left - piece * rows); };
  const auto words_of = [&](std::int64_t piece) { return std::min(words, words_for(rows_of(piece))); };

  // How many rows of each piece contain each itemset: a few pieces at a time, until the memory is used up.
  std::vector<std::uint16_t> counts;
  std::vector<std::int64_t> n_entries;
  IncidenceChunk chunk{0, rows, 0, {}};
  std::int64_t n_kept = 0;
  for (bool fits = true; fits && n_kept < max_pieces;) {
    const std::int64_t n_more = std::min<std::int64_t>(max_pieces - n_kept, 8 * n_threads);
    counts.resize(static_cast<std::size_t>(n_kept + n_more) * n_sets);
    n_entries.resize(static_cast<std::size_t>(n_kept + n_more));
    parallel_for(n_more, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
      const std::int64_t piece = n_kept + task;
      std::uint16_t* count = counts.data() + static_cast<std::size_t>(piece) * n_sets;
      std::int64_t total = 0;
      for (std::size_t s = 0; s < n_sets; ++s) {
        const std::int64_t ones = size_of(s) == 0
                                      ? rows_of(piece)
                                      : kernels.and_count(members.data() + itemsets.offsets[s], size_of(s),
                                                          (first_row + piece * rows) / kWordBits, words_of(piece));
        count[s] = static_cast<std::uint16_t>(ones);
        total += ones;
      }
      n_entries[static_cast<std::size_t>(piece)] = total;
    });
    for (const std::int64_t end = n_kept + n_more; fits && n_kept < end;) {
      const std::int64_t with_next = chunk.n_entries + n_entries[static_cast<std::size_t>(n_kept)];
      fits = n_kept == 0 || with_next * 4 <= kIncidenceBytes;
      if (!fits) break;
      chunk.n_entries = with_next;
      ++n_kept;
    }
  }
  chunk.n_rows = std::min(left, n_kept * rows);
  chunk.pieces.resize(static_cast<std::size_t>(n_kept));

  // How many entries of each itemset went before a piece since the last flush.
  std::vector<std::uint8_t> phases(static_cast<std::size_t>(n_kept) * n_sets, 0);
  constexpr std::int64_t kSetsPerTask = 1024;
  const std::int64_t n_ranges = (itemsets.size + kSetsPerTask - 1) / kSetsPerTask;
  parallel_for(n_ranges, n_threads, monitor, [&](std::int64_t range, int, Watch&) {
    const auto first = static_cast<std::size_t>(range * kSetsPerTask);
    const auto last = static_cast<std::size_t>(std::min(itemsets.size, (range + 1) * kSetsPerTask));
    for (std::size_t piece = 1; piece < chunk.pieces.size(); ++piece)
      for (std::size_t s = first; s < last; ++s) {
        const std::size_t before = (piece - 1) * n_sets + s;
        phases[before + n_sets] = static_cast<std::uint8_t>((phases[before] + counts[before]) % rows_per_flush);
      }
  });

  parallel_for(n_kept, n_threads, monitor, [&](std::int64_t number, int, Watch&) {
    const auto piece = static_cast<std::size_t>(number);
    const std::int64_t n_rows = rows_of(number), n_words = words_of(number),
                       begin = (first_row + number * rows) / kWordBits;
    IncidencePiece& incidence = chunk.pieces[piece];
    incidence.starts.assign(static_cast<std::size_t>(n_rows) + 1, 0);
    incidence.entries.resize(static_cast<std::size_t>(n_entries[piece]));

    std::vector<std::uint16_t> rows_by_set(incidence.entries.size());
    std::vector<Word> bits(static_cast<std::size_t>(n_words));
    std::uint16_t* end = rows_by_set.data();
    for (std::size_t s = 0; s < n_sets; ++s) {
      if (counts[piece * n_sets + s] == 0) continue;
      if (size_of(s) == 0)
        for (std::int64_t w = 0; w < n_words; ++w) bits[static_cast<std::size_t>(w)] = valid_bits(w, n_rows);
      else
        kernels.and_columns(members.data() + itemsets.offsets[s], size_of(s), begin, n_words, bits.data());
      for (std::int64_t w = 0; w < n_words; ++w)
        for (Word word = bits[static_cast<std::size_t>(w)]; word != 0; word &= word - 1) {
          const std::int64_t row = w * kWordBits + __builtin_ctzll(word);
          *end++ = static_cast<std::uint16_t>(row);
          ++incidence.starts[static_cast<std::size_t>(row)];
        }
    }

    std::uint32_t total = 0;
    for (std::uint32_t& start : incidence.starts) {
      const std::uint32_t n_here = start;
      start = total;
      total += n_here;
    }
    const std::uint16_t* next = rows_by_set.data();
    for (std::size_t s = 0; s < n_sets; ++s) {
      int phase = phases[piece * n_sets + s];
      for (std::uint32_t i = 0; i < counts[piece * n_sets + s]; ++i) {
        const bool flush = ++phase == rows_per_flush;
        if (flush) phase = 0;
        incidence.entries[incidence.starts[*next++]++] = static_cast<std::uint32_t>(s) | (flush ? kFlush : 0);
      }
    }
    // each start has moved to the next row's: move them back
    for (std::size_t row = incidence.starts.size() - 1; row > 0; --row)
      incidence.starts[row] = incidence.starts[row - 1];
    incidence.starts[0] = 0;
  });
  return chunk;
}

}  // namespace askew

// The inner loops, one set per SIMD level. simd_<level>.cpp compiles simd_kernels.inl with that level's flags; simd.cpp
// picks a level at run time, once. Everything above these pointers is ordinary code compiled once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/bits.hpp"
#include "core/multinomial.hpp"
#include "core/weights.hpp"
#include "cpu/cells.hpp"

namespace askew {

// Replicates are drawn and added up in blocks of this many, one byte each.
constexpr int kBlockReplicates = 128;

// Which itemsets the rows of a piece of a table contain. Rows that contain none are not listed; the others are cut into
// tiles, whose weights fit the L1 cache, and these into batches. What a row contains of the rarer itemsets is listed
// row by row, what rows contain a frequent itemset, itemset by itemset within each tile.
constexpr int kRowsPerBatch = 16, kRowsPerTile = 256, kRowsPerQuad = 4;

struct Incidence {
  const std::uint16_t* rows;  // those that are listed, counted from the first row of the piece
  std::int64_t n_tiles;

  // Where the batches and the runs of a tile begin; one more, for the end of the last.
  struct Tile {
    std::uint32_t batch, run;
  };
  const Tile* tiles;

  // Where the rows, the entries and the flushes of a batch begin; one more, for the end of the last.
  struct Batch {
    std::uint32_t row, entry, flush;
  };
  const Batch* batches;

  // An entry is where the sums of an itemset are, its number times kBlockReplicates, plus how many rows are passed over
  // from the row of the entry before, or from the first row of the batch. Before the entries of a batch are added, the
  // 8-bit sums of some itemsets must be widened, or they might overflow.
  const std::uint32_t* entries;
  const std::uint32_t* flushes;

  // The frequent itemsets, and for each tile and each of them, how many quads of rows contain it. A row is given by
  // where its weights are in the tile, its number there times kBlockReplicates; rows that are missing to a whole quad
  // stand behind the last row, where weights are 0.
  const std::uint32_t* frequent;
  std::int64_t n_frequent;
  const std::uint8_t* quads;
  const std::uint16_t* runs;
};

// What is added to the weights of units in a block of replicates. 64 units at a time: which of them change, and how
// many before them do. Change i of those that do, units in ascending order, is made of codes[starts[i]] …
// codes[starts[i + 1]
// - 1], each of which adds 1 to a lane; with kTaken, it takes 1.
struct Changes {
  struct Group {
    Word units;
    std::uint32_t before;
  };
  const Group* groups;
  const std::uint32_t* starts;
  const std::uint8_t* codes;
};

constexpr std::uint8_t kTaken = kBlockReplicates;

// Whose weights the rows of a piece have.
struct RowUnits {
  const std::uint32_t* of_row;  // null: each row is a unit, numbered as it stands in its table
  const Changes* changes;       // null: none
  bool drawn;                   // or all weights are 0, but for the changes
};

constexpr std::uint32_t kSkippedRows = kBlockReplicates - 1;

// Sums of one block of replicates: kBlockReplicates for each itemset, of 8 bits in the order of lane_of, which are
// flushed into 16 bits in the order of lane16_of. When those could overflow as well, `spill` takes them away: it must
// set sum16 of the itemset to 0.
struct Accumulators {
  std::uint8_t* sum8;
  std::uint16_t* sum16;
  std::uint16_t* flushes;  // how many flushes' worth of weights sum16 holds
  int rows_per_flush;      // whose weights fit 8 bits
  int max_flushes;
  void (*spill)(void* context, std::int64_t itemset);
  void* context;
};

constexpr std::int64_t kPackColumns = 256;  // what is made of 512 rows of them leaves room in the L1 cache
constexpr int kTile = 4;                    // 16 totals and what is added to them fit the registers

constexpr int kProposals = 16;  // at a time: as many as the widest vectors have lanes

// Rows of kTallied columns, two words each, are added up in units, what is missing to a whole one being an empty row.
// Places are words: that of a row twice its slot (see transpose).
constexpr int kTallied = 128, kRowWords = 2, kRowsPerUnit = 32;
constexpr std::int64_t kTalliedWords = 128;  // of a column at a time: rows that stay in the L2 cache
constexpr std::uint16_t kEmptyPlace = kTalliedWords * kWordBits * kRowWords;
// Vertical counters: plane i holds bit i of the sums of the first and of the second rows of all pairs. A unit adds at
// most half of its rows to a sum.
constexpr int kPlanes = 13, kMaxUnits = (1 << (kPlanes - 4)) - 1;

constexpr std::int64_t kMaxOnesWords = 512;  // positions of ones fit 16 bits, and the words a stack
constexpr std::int64_t kOnesBeyond = 128;    // how far `ones_of` may write beyond the last one

// What counting pairs takes, in cycles, as measured in tables of a million rows.
struct TallyCosts {
  double pair;    // per word: count_tile
  double stem;    // per word, and
  double listed;  // per row: list_rows
  double added;   // per row: add_rows
  double tile;    // per word of kTallied columns: wide_rows
};

struct SimdKernels {
  const char* name;
  TallyCosts costs;

  // Adds to counts[stride * r + t] the number of ones in the conjunction of the k columns of `prefix` with rows[r] and
  // tails[t], for 1 to kTile rows and tails. k ≥ 0. Numbers of words are whole multiples of 8, here and below.
  // n_words of `next`, unless it is null, are fetched into the L2 cache on the way.
  void (*count_tile)(const Word* const* prefix, std::int64_t k, const Word* const* rows, int n_rows,
                     const Word* const* tails, int n_tails, std::int64_t n_words, std::int64_t* counts,
                     std::int64_t stride, const Word* next);
  // out = conjunction of k columns, words begin … begin + n_words - 1. k ≥ 1.
  void (*and_columns)(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words, Word* out);
  // Writes the positions of the ones in the conjunction of k columns, counted from word `begin`, in ascending order,
  // and returns how many they are. At most kMaxOnesWords; k ≥ 1. May write kOnesBeyond more positions.
  // columns[k], which is not part of the conjunction, is fetched into the cache on the way: what the next call reads.
  std::int64_t (*ones_of)(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                          std::uint16_t* out);
  // From 64 columns of 512 rows, columns[8 * c + w] being word w of column c, to rows: bit c of rows[8 * r + w] is bit
  // r of columns[8 * c + w], that is of row 64 * w + r.
  void (*transpose)(const Word* columns, Word* rows);
  // 512 rows of kTallied columns, from word `begin` on: the words of row 64 * w + r to rows[2 * (8 * r + w)] and
  // behind. Columns that do not exist are 0.
  void (*wide_rows)(const Word* const* columns, int n_columns, std::int64_t begin, Word* rows);
  // As ones_of, but places, and empty ones behind them up to a whole unit. Returns the number of units. At most
  // kTalliedWords.
  std::int64_t (*list_rows)(const Word* const* columns, std::int64_t k, std::int64_t begin, std::int64_t n_words,
                            std::uint16_t* places);
  // Adds the rows at `places` to kPlanes planes of two rows each. At most kMaxUnits from the time when they were 0.
  void (*add_rows)(const Word* rows, const std::uint16_t* places, std::int64_t n_units, Word* planes);
  // Packs 512 rows of p ≤ kPackColumns values: word w of column c goes to out[c * out_stride + w]. Returns the OR of
  // all values (more than 1: bad input).
  std::uint8_t (*pack_rows)(const std::uint8_t* values, std::int64_t row_stride, std::int64_t p, Word* out,
                            std::int64_t out_stride);
  // Packs 64 * n_words values of one column, and returns the same.
  std::uint8_t (*pack_column)(const std::uint8_t* values, std::int64_t n_words, Word* out);
  // Adds the weights of the rows of a piece, whose first is `first_row`, in the replicates of a block: block *
  // kBlockReplicates and so on, in the order of lane_of.
  void (*accumulate)(const Incidence& piece, std::uint64_t first_row, const RowUnits& units, const Draws& draws,
                     std::uint32_t block, const Accumulators& sums);
  // The uniforms of draw `draw` of a pattern in the replicates of a block (core/pattern_weights.hpp), in their order.
  void (*uniforms)(const ThreefryKey& key, std::uint64_t pattern, std::uint32_t draw, std::uint32_t block,
                   std::uint32_t* out);

  // What balancing takes: simd/balance.inl.
  void (*total_weights)(const Draws& draws, const std::uint32_t* members, std::uint64_t first, std::int64_t n,
                        std::uint32_t block, std::uint64_t* totals);
  void (*propose)(const ThreefryKey& key, std::uint32_t stratum, std::uint64_t n, std::uint32_t replicate,
                  std::uint32_t first, std::uint32_t* places, std::uint8_t* copies);
  void (*weights_of)(const Draws& draws, const std::uint32_t* units, std::uint32_t replicate, std::uint8_t* weights);

  // What becomes of a cell in all replicates: writes what `out` has for it, and adds to its sums. Takes room for
  // kRoomPerRow numbers a row.
  void (*summarize_cell)(const Difference& difference, Cell cell, double shift, const CellSummary& out, double* room);

  // For benchmarks: the parts that the kernels are made of, at the speed of the processor (simd/probe.inl).
  Word (*probe_read)(const Word* data, std::int64_t n_words);
  std::int64_t (*probe_count)(const Word* columns, std::int64_t n_words, std::int64_t n_repeats);
  std::uint8_t (*probe_weights)(const Draws& draws, std::int64_t n_rows);
  void (*probe_add)(const std::uint8_t* weights, std::uint8_t* sum8, std::int64_t n_itemsets, std::int64_t n_repeats);
};

// Where in a block's sums replicate 0 ≤ `replicate` < kBlockReplicates stands: the order in which 16-bit halves of the
// generator's words, packed two by two into bytes, come out of a vector register.
ASKEW_INLINE constexpr int lane_of(int replicate) {
  const int counter = replicate / 8, word = replicate / 2 % 4, half = replicate % 2;
  return word / 2 * (kBlockReplicates / 2) + counter * 4 + half * 2 + word % 2;
}

// The same among the 16-bit sums: first those of even lanes, then those of odd lanes.
ASKEW_INLINE constexpr int lane16_of(int replicate) {
  const int lane = lane_of(replicate);
  return lane / 2 + lane % 2 * (kBlockReplicates / 2);
}

// Where the transposition puts a row, 512 of them at a time: row 64 * w + r to 8 * r + w. Also for vectors of rows.
template <class Rows>
ASKEW_INLINE constexpr Rows slot_of(Rows row) {
  return row - row % 512 + row % 64 * 8 + row % 512 / 64;
}

const SimdKernels* portable_kernels();
const SimdKernels* avx2_kernels();
const SimdKernels* avx512_kernels();

// Names of the levels that this processor can run, best first.
std::vector<std::string> simd_levels();

// The kernels in use: the best level, or the one that ASKEW_SIMD names when the library is first used. Throws
// std::invalid_argument if it cannot run here.
const SimdKernels& simd();

// Changes the level for the calls that follow ("" for the default); meant for tests.
void force_simd(const std::string& level);

}  // namespace askew

#include <cstring>

#include "cpu/kernels.hpp"

namespace askew {
namespace {

constexpr std::int64_t kLineWords = kBlockBits / kWordBits;

struct alignas(64) Line {
  Word words[kLineWords];
};

// The row of each index of rows begin … end - 1, counted from `begin`. Sixteen are written at a time, so that there is
// no branch on the lengths of short rows, which are hard to predict. False if the offsets do not rise within the
// indices.
template <class Offset>
bool rows_of(const Offset* offsets, std::int64_t begin, std::int64_t end, std::int64_t n_indices,
             std::vector<std::uint16_t>& rows) {
  constexpr std::int64_t kAtOnce = 16;
  if (offsets[begin] < 0 || offsets[end] < offsets[begin] || offsets[end] > n_indices) return false;
  const std::int64_t size = std::int64_t{offsets[end]} - offsets[begin];
  if (std::ssize(rows) < size + kAtOnce) rows.resize(static_cast<std::size_t>(size + kAtOnce));
  std::uint16_t* to = rows.data();
  std::uint16_t* const last = to + size;
  for (std::int64_t row = begin; row < end; ++row) {
    const auto length = static_cast<std::int64_t>(static_cast<std::uint64_t>(offsets[row + 1]) -
                                                  static_cast<std::uint64_t>(offsets[row]));  // may be anything
    if (length < 0 || length > last - to) return false;
    std::uint16_t numbers[kAtOnce];
    std::fill_n(numbers, kAtOnce, static_cast<std::uint16_t>(row - begin));
    std::int64_t written = 0;
    do std::memcpy(to + written, numbers, sizeof numbers);
    while ((written += kAtOnce) < length);
    to += length;
  }
  return true;
}

// Sets a bit for each index; negative ones go to the line behind the last column's. False if one is too large.
template <class Index>
bool set_bits(const Index* indices, const std::uint16_t* rows, std::int64_t size, std::int64_t n_columns, Line* lines) {
  constexpr std::int64_t kAhead = 1024;  // the writes at random places keep the processor from reading ahead by itself
  Index highest = -1;
  for (std::int64_t i = 0; i < size; ++i) highest = std::max(highest, indices[i]);
  if (highest >= n_columns) return false;
  for (std::int64_t i = 0; i < size; ++i) {
    __builtin_prefetch(indices + i + kAhead);
    const auto column = std::min(static_cast<std::uint64_t>(indices[i]), static_cast<std::uint64_t>(n_columns));
    lines[column].words[rows[i] / kWordBits] |= Word{1} << (rows[i] % kWordBits);
  }
  return true;
}

// Moves the lines that have ones to their place in the columns, which are zero so far: a column of few ones costs few
// writes, and memory that is not written to need not be there.
void move_lines(std::vector<Line>& lines, std::int64_t n_columns, std::int64_t n_words, Word* out) {
  for (std::int64_t c = 0; c < n_columns; ++c) {
    Line& line = lines[static_cast<std::size_t>(c)];
    Word any = 0;
    for (const Word word : line.words) any |= word;
    if (any == 0) continue;
    std::memcpy(out + c * n_words, line.words, sizeof line.words);
    line = {};
  }
}

}  // namespace

template <class Offset, class Index>
const char* pack_sparse(const Offset* offsets, std::int64_t n, const Index* indices, std::int64_t n_indices,
                        std::int64_t n_columns, Word* out, int n_threads, const Monitor& monitor) {
  constexpr std::int64_t kBlocksPerTask = 64;
  const std::int64_t n_words = words_for(n), n_blocks = n_words / kLineWords;
  std::atomic<const char*> wrong{nullptr};
  const auto pack_blocks = [&](std::int64_t task, int, Watch&) {
    std::vector<Line> lines(static_cast<std::size_t>(n_columns + 1));
    std::vector<std::uint16_t> rows;
    for (std::int64_t block = task * kBlocksPerTask; block < std::min(n_blocks, (task + 1) * kBlocksPerTask); ++block) {
      const std::int64_t first = block * kBlockBits, last = std::min(n, first + kBlockBits);
      if (!rows_of(offsets, first, last, n_indices, rows)) {
        wrong = "offsets of sparse rows must rise within the indices";
        return;
      }
      const std::int64_t size = std::int64_t{offsets[last]} - offsets[first];
      if (!set_bits(indices + offsets[first], rows.data(), size, n_columns, lines.data())) {
        wrong = "sparse rows name a column that does not exist";
        return;
      }
      move_lines(lines, n_columns, n_words, out + block * kLineWords);
    }
  };
  parallel_for((n_blocks + kBlocksPerTask - 1) / kBlocksPerTask, n_threads, monitor, pack_blocks);
  return wrong;
}

#define ASKEW_PACK_SPARSE(Offset, Index)                                                                              \
  template const char* pack_sparse(const Offset*, std::int64_t, const Index*, std::int64_t, std::int64_t, Word*, int, \
                                   const Monitor&);
ASKEW_PACK_SPARSE(std::int32_t, std::int32_t)
ASKEW_PACK_SPARSE(std::int32_t, std::int64_t)
ASKEW_PACK_SPARSE(std::int64_t, std::int32_t)
ASKEW_PACK_SPARSE(std::int64_t, std::int64_t)
#undef ASKEW_PACK_SPARSE

}  // namespace askew

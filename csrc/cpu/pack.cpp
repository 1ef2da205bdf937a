#include <cstdlib>
#include <cstring>
#include <memory>
#include <mutex>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kBytesPerTask = std::int64_t{1} << 20;

std::int64_t parts(std::int64_t whole, std::int64_t part) { return (whole + part - 1) / part; }

// Where the first wrong value must be sought: nowhere, or in rows begin … end - 1. Each thread tells what it has seen.
class Suspects {
 public:
  void note(std::int64_t begin, std::int64_t end) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (begin_ >= 0 && begin_ <= begin) return;
    begin_ = begin;
    end_ = end;
  }

  std::int64_t first_wrong(const ByteTable& values) const {
    for (std::int64_t row = begin_; row < end_; ++row)
      for (std::int64_t c = 0; c < values.p; ++c)
        if (*values.at(row, c) > 1) return row * values.p + c;
    return -1;
  }

 private:
  std::int64_t begin_ = -1, end_ = -1;
  std::mutex mutex_;
};

// A copy of rows … without gaps, with zeros for the rows up to 512 that do not exist.
void copy_tile(const ByteTable& values, std::int64_t row, std::int64_t column, std::int64_t n_columns,
               std::uint8_t* out) {
  const std::int64_t n_rows = std::min(kBlockBits, values.n - row);
  const std::uint8_t* from = values.at(row, column);
  std::memset(out + n_rows * n_columns, 0, static_cast<std::size_t>((kBlockBits - n_rows) * n_columns));
  if (values.column_stride == 1) {
    for (std::int64_t r = 0; r < n_rows; ++r)
      std::memcpy(out + r * n_columns, from + r * values.row_stride, static_cast<std::size_t>(n_columns));
  } else if (std::abs(values.column_stride) < std::abs(values.row_stride)) {
    for (std::int64_t r = 0; r < n_rows; ++r)
      for (std::int64_t c = 0; c < n_columns; ++c)
        out[r * n_columns + c] = from[r * values.row_stride + c * values.column_stride];
  } else {
    for (std::int64_t c = 0; c < n_columns; ++c)
      for (std::int64_t r = 0; r < n_rows; ++r)
        out[r * n_columns + c] = from[r * values.row_stride + c * values.column_stride];
  }
}

// Tiles of 512 rows and up to kPackColumns columns. Those that the inner loop cannot take as they lie, since values of
// a row do not lie side by side or rows are missing, are copied first.
void pack_tiles(const ByteTable& values, Word* out, int n_threads, const Monitor& monitor, Suspects& suspects) {
  const SimdKernels& kernels = simd();
  const std::int64_t n_words = words_for(values.n);
  const std::int64_t n_across = parts(values.p, kPackColumns);
  const std::int64_t width = std::min(values.p, parts(parts(values.p, n_across), 64) * 64);
  const std::int64_t n_tiles = parts(values.n, kBlockBits) * n_across;
  const std::int64_t per_task = std::max<std::int64_t>(1, kBytesPerTask / (kBlockBits * width));
  parallel_for(parts(n_tiles, per_task), n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    std::unique_ptr<std::uint8_t[]> copy;
    for (std::int64_t tile = task * per_task; tile < std::min(n_tiles, (task + 1) * per_task); ++tile) {
      const std::int64_t row = tile / n_across * kBlockBits, column = tile % n_across * width;
      const std::int64_t n_columns = std::min(width, values.p - column);
      Word* lines = out + column * n_words + row / kWordBits;
      const std::uint8_t* from = values.at(row, column);
      std::int64_t row_stride = values.row_stride;
      if (row + kBlockBits > values.n || (values.column_stride != 1 && n_columns > 1)) {
        if (!copy) copy = std::make_unique_for_overwrite<std::uint8_t[]>(static_cast<std::size_t>(kBlockBits * width));
        copy_tile(values, row, column, n_columns, copy.get());
        from = copy.get();
        row_stride = n_columns;
      }
      if (kernels.pack_rows(from, row_stride, n_columns, lines, n_words) > 1)
        suspects.note(row, std::min(values.n, row + kBlockBits));
    }
  });
}

// Columns whose values lie side by side, piece by piece.
void pack_columns(const ByteTable& values, Word* out, int n_threads, const Monitor& monitor, Suspects& suspects) {
  const SimdKernels& kernels = simd();
  const std::int64_t n_words = words_for(values.n);
  const std::int64_t rows_per_piece = std::min(parts(values.n, kBlockBits) * kBlockBits, kBytesPerTask);
  const std::int64_t pieces = parts(values.n, rows_per_piece);
  const std::int64_t per_task = kBytesPerTask / rows_per_piece;
  parallel_for(parts(values.p * pieces, per_task), n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    for (std::int64_t piece = task * per_task; piece < std::min(values.p * pieces, (task + 1) * per_task); ++piece) {
      const std::int64_t c = piece / pieces, begin = piece % pieces * rows_per_piece;
      const std::int64_t end = std::min(values.n, begin + rows_per_piece), whole = (end - begin) / kWordBits;
      Word* words = out + c * n_words + begin / kWordBits;
      unsigned seen = kernels.pack_column(values.at(begin, c), whole, words);
      if (end == values.n) {
        std::uint8_t rest[kWordBits] = {};
        const std::int64_t row = begin + whole * kWordBits;
        std::memcpy(rest, values.at(row, c), static_cast<std::size_t>(end - row));
        std::fill(words + whole, out + (c + 1) * n_words, Word{0});
        if (row < end) seen |= kernels.pack_column(rest, 1, words + whole);
      }
      if (seen > 1) suspects.note(begin, end);
    }
  });
}

}  // namespace

std::int64_t pack(const ByteTable& values, Word* out, int n_threads, const Monitor& monitor) {
  if (values.n == 0 || values.p == 0) return -1;
  Suspects suspects;
  (values.row_stride == 1 ? pack_columns : pack_tiles)(values, out, n_threads, monitor, suspects);
  return suspects.first_wrong(values);
}

}  // namespace askew

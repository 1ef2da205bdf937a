#include "cpu/few_columns.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <vector>

#include "cpu/simd.hpp"

namespace askew {
namespace {

constexpr std::int64_t kChunkWords = 256;  // of rows that are split at a time: the bitmaps stay in the L1 cache
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

struct Pattern {
  std::int64_t first = kNever, multiplicity = 0;
};

// What one thread has found; bit c of a pattern's number is column c.
class Splitter {
 public:
  explicit Splitter(const Columns& columns) : columns_(columns), kernels_(simd()) {}

  const std::array<Pattern, std::size_t{1} << kFewColumns>& found() const { return found_; }

  // Rows from word `begin` on, which come after those that were added before.
  void add(std::int64_t begin, std::int64_t n) {
    begin_ = begin;
    n_words_ = std::min(kChunkWords, words_for(n) - begin);
    std::array<Word, kChunkWords> all;
    for (std::int64_t w = 0; w < n_words_; ++w) all[static_cast<std::size_t>(w)] = valid_bits(begin + w, n);
    split(0, all.data(), std::min(n_words_ * kWordBits, n - begin * kWordBits), 0);
  }

 private:
  // The given rows, of which there is one at least, have this pattern in the columns before this one.
  void split(std::size_t c, const Word* rows, std::int64_t n_rows, std::size_t pattern) {
    if (c == columns_.size()) return add_rows(rows, n_rows, found_[pattern]);
    const Word* column = columns_[c] + begin_;
    std::int64_t n_with = 0;
    kernels_.count_tile(nullptr, 0, &rows, 1, &column, 1, n_words_, &n_with, 0, nullptr);
    const std::size_t with = pattern | std::size_t{1} << c;
    if (n_with == 0 || n_with == n_rows) return split(c + 1, rows, n_rows, n_with == 0 ? pattern : with);
    Word* part = parts_[c].data();
    const Word* both[] = {rows, column};
    kernels_.and_columns(both, 2, 0, n_words_, part);
    split(c + 1, part, n_with, with);
    for (std::int64_t w = 0; w < n_words_; ++w) part[w] ^= rows[w];
    split(c + 1, part, n_rows - n_with, pattern);
  }

  void add_rows(const Word* rows, std::int64_t n_rows, Pattern& pattern) const {
    pattern.multiplicity += n_rows;
    if (pattern.first != kNever) return;
    std::int64_t w = 0;
    while (rows[w] == 0) ++w;
    pattern.first = (begin_ + w) * kWordBits + std::countr_zero(rows[w]);
  }

  const Columns& columns_;
  const SimdKernels& kernels_;
  std::int64_t begin_ = 0, n_words_ = 0;
  std::array<std::array<Word, kChunkWords>, kFewColumns> parts_;
  std::array<Pattern, std::size_t{1} << kFewColumns> found_;
};

}  // namespace

Patterns patterns_of_few_columns(const Columns& columns, std::int64_t n, int n_threads, const Monitor& monitor) {
  const std::int64_t n_chunks = (words_for(n) + kChunkWords - 1) / kChunkWords;
  const std::int64_t n_splitters = std::clamp<std::int64_t>(n_threads, 1, n_chunks);
  std::vector<Splitter> threads(static_cast<std::size_t>(n_splitters), Splitter(columns));
  parallel_for(n_chunks, n_threads, monitor, [&](std::int64_t chunk, int thread, Watch&) {
    threads[static_cast<std::size_t>(thread)].add(chunk * kChunkWords, n);
  });
  std::vector<Pattern> found;
  for (std::size_t number = 0; number < std::size_t{1} << columns.size(); ++number) {
    Pattern pattern;
    for (const Splitter& own : threads) {
      pattern.first = std::min(pattern.first, own.found()[number].first);
      pattern.multiplicity += own.found()[number].multiplicity;
    }
    if (pattern.multiplicity > 0) found.push_back(pattern);
  }
  std::ranges::sort(found, {}, &Pattern::first);
  Patterns out{std::ssize(found), make_buffer<std::int64_t>(found.size()), make_buffer<std::int64_t>(found.size())};
  for (std::size_t i = 0; i < found.size(); ++i) {
    out.first[i] = found[i].first;
    out.multiplicity[i] = found[i].multiplicity;
  }
  return out;
}

}  // namespace askew

#include <cstring>

#include "cpu/kernels.hpp"
#include "cpu/simd.hpp"

namespace askew {

std::int64_t pack(const std::uint8_t* values, std::int64_t n, std::int64_t p, std::int64_t row_stride, Word* out,
                  int n_threads, const Monitor& monitor) {
  constexpr std::int64_t kWords = kBlockBits / kWordBits;  // one cache line of each column at a time
  const SimdKernels& kernels = simd();
  if (p == 0) return -1;
  const std::int64_t n_words = words_for(n), n_blocks = n_words / kWords;
  const std::int64_t blocks_per_task = std::max<std::int64_t>(1, (std::int64_t{1} << 20) / (kBlockBits * p));
  const std::int64_t n_tasks = (n_blocks + blocks_per_task - 1) / blocks_per_task;
  std::atomic<bool> valid{true};
  parallel_for(n_tasks, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    std::vector<Word> words(static_cast<std::size_t>(kWords * p));
    std::uint8_t seen = 0;
    for (std::int64_t block = task * blocks_per_task; block < std::min(n_blocks, (task + 1) * blocks_per_task);
         ++block) {
      std::fill(words.begin(), words.end(), Word{0});
      for (std::int64_t w = 0; w < kWords; ++w) {
        const std::int64_t row = block * kBlockBits + w * kWordBits;
        if (row >= n) break;
        const std::uint8_t any = kernels.pack_rows(values + row * row_stride, row_stride, std::min(kWordBits, n - row),
                                                   p, &words[static_cast<std::size_t>(w * p)]);
        seen = static_cast<std::uint8_t>(seen | any);
      }
      for (std::int64_t c = 0; c < p; ++c)
        for (std::int64_t w = 0; w < kWords; ++w)
          out[c * n_words + block * kWords + w] = words[static_cast<std::size_t>(w * p + c)];
    }
    if (seen > 1) valid = false;
  });
  if (valid) return -1;
  for (std::int64_t row = 0; row < n; ++row)
    for (std::int64_t c = 0; c < p; ++c)
      if (values[row * row_stride + c] > 1) return row * p + c;
  return -1;
}

void pack_sparse(const std::int64_t* offsets, const std::int32_t* indices, std::int64_t n, Word* out, int n_threads,
                 const Monitor& monitor) {
  const std::int64_t n_words = words_for(n);
  constexpr std::int64_t kRowsPerTask = 1 << 16;  // whole words: no two tasks write the same one
  parallel_for((n + kRowsPerTask - 1) / kRowsPerTask, n_threads, monitor, [&](std::int64_t task, int, Watch&) {
    for (std::int64_t row = task * kRowsPerTask; row < std::min(n, (task + 1) * kRowsPerTask); ++row) {
      const Word bit = Word{1} << (row % kWordBits);
      for (std::int64_t i = offsets[row]; i < offsets[row + 1]; ++i)
        if (indices[i] >= 0) out[indices[i] * n_words + row / kWordBits] |= bit;
    }
  });
}

}  // namespace askew

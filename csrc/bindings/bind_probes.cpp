#include "bindings/bindings.hpp"
#include "cpu/simd.hpp"

namespace askew::bindings {
namespace {

struct alignas(64) Line {
  Word words[8] = {};
};

constexpr std::int64_t kCountWords = 256;   // 2 KiB a column: all lie in the L1 cache
constexpr std::int64_t kAddItemsets = 128;  // 16 KiB of sums

Word read(const WordArray& data, std::int64_t n_repeats) {
  const Word* words = data.data();
  const std::int64_t n_words = data.size();
  const py::gil_scoped_release release;
  Word result = 0;
  for (std::int64_t i = 0; i < n_repeats; ++i) result = simd().probe_read(words, n_words);
  return result;
}

std::int64_t count_ones(std::int64_t n_words) {
  std::vector<Line> columns(2 * kTile * kCountWords / 8);
  for (Line& line : columns) line.words[0] = 1;
  const py::gil_scoped_release release;
  return simd().probe_count(columns.front().words, kCountWords, n_words / (kTile * kTile * kCountWords));
}

int draw_weights(std::int64_t n_rows) {
  const py::gil_scoped_release release;
  return simd().probe_weights({&kPoisson16, 0, 0}, n_rows);
}

int add_weights(std::int64_t n_rows) {
  const std::vector<std::uint8_t> weights(kBlockReplicates, 1);
  std::vector<Line> sums(kAddItemsets * kBlockReplicates / 64);
  const py::gil_scoped_release release;
  auto* sum8 = reinterpret_cast<std::uint8_t*>(sums.front().words);
  simd().probe_add(weights.data(), sum8, kAddItemsets, n_rows / kAddItemsets);
  return sum8[kAddItemsets * kBlockReplicates - 1];
}

// Reads words at random places, all independent of each other: what a hash table larger than the caches costs.
Word read_at_random(const WordArray& data, std::int64_t n_reads) {
  const Word* words = data.data();
  const std::int64_t size = data.size();
  require(size > 0 && (size & (size - 1)) == 0, "the number of words must be a power of two");
  const py::gil_scoped_release release;
  Word result = 0, place = 1;
  for (std::int64_t i = 0; i < n_reads; ++i) {
    place = place * 6364136223846793005u + 1442695040888963407u;  // Knuth's MMIX; high bits are the random ones
    result ^= words[(place >> 20) & static_cast<Word>(size - 1)];
  }
  return result;
}

}  // namespace

// What benchmarks/peers/limits.py measures; nothing else uses it.
void bind_probes(py::module_& module) {
  module.def("probe_read", &read, py::arg("data"), py::arg("n_repeats"));
  module.def("probe_count", &count_ones, py::arg("n_words"));
  module.def("probe_weights", &draw_weights, py::arg("n_rows"));
  module.def("probe_add", &add_weights, py::arg("n_rows"));
  module.def("probe_random_reads", &read_at_random, py::arg("data"), py::arg("n_reads"));
}

}  // namespace askew::bindings

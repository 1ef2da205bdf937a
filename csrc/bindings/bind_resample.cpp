#include <array>

#include "bindings/bindings.hpp"
#include "core/threefry.hpp"
#include "core/weights.hpp"

namespace askew::bindings {
namespace {

const Distribution& distribution_of(const std::string& name) {
  if (name == "poisson") return kPoisson16;
  if (name == "poisson32") return kPoisson32;
  throw std::invalid_argument("no distribution of weights '" + name + "'");
}

// Adds to `out`, of shape (end - begin, S), where the replicates of an itemset lie side by side.
void resample_itemsets(const std::vector<WordArray>& blocks, std::int64_t n, const Int32Array& items,
                       const Int64Array& offsets, const std::string& distribution, std::uint64_t seed,
                       std::uint32_t table, std::uint64_t first_row, std::uint32_t begin, std::uint32_t end,
                       py::array_t<std::int64_t>& out, int n_threads, const py::object& callback) {
  const Columns columns = columns_of(blocks, n);
  const Itemsets itemsets = itemsets_of(items, offsets, columns.size());
  require(begin <= end && end <= (std::uint32_t{1} << 31), "replicates must be a range within [0, 2**31)");
  require(n_threads >= 1, "n_threads must be positive");
  require(out.ndim() == 2 && out.shape(0) == end - begin && out.shape(1) == itemsets.size,
          "out must have a row for each replicate and a column for each itemset");
  require(out.shape(0) <= 1 || out.strides(0) == sizeof(std::int64_t),
          "the replicates of an itemset must lie side by side in out");
  require(out.strides(1) % static_cast<py::ssize_t>(sizeof(std::int64_t)) == 0, "the columns of out must be aligned");
  const Draws draws{&distribution_of(distribution), seed, table};
  std::int64_t* data = out.mutable_data();
  const std::int64_t stride = out.strides(1) / static_cast<std::int64_t>(sizeof(std::int64_t));
  const Monitor monitor = python_monitor(callback);
  const py::gil_scoped_release release;
  resample(columns, n, itemsets, draws, first_row, begin, end, data, stride, n_threads, monitor);
}

using FourWords = std::array<std::uint32_t, 4>;

template <int kRounds>
FourWords threefry(const FourWords& counter, const FourWords& key) {
  const Threefry4<std::uint32_t> x =
      threefry4x32<kRounds>(Threefry4<std::uint32_t>{{counter[0], counter[1], counter[2], counter[3]}},
                            threefry_key(key[0], key[1], key[2], key[3]));
  return {x.word[0], x.word[1], x.word[2], x.word[3]};
}

FourWords threefry_rounds(const FourWords& counter, const FourWords& key, int rounds) {
  switch (rounds) {
    case 12: return threefry<12>(counter, key);
    case 13: return threefry<13>(counter, key);
    case 20: return threefry<20>(counter, key);
  }
  throw std::invalid_argument("rounds must be 12, 13 or 20");
}

std::vector<std::uint32_t> outcomes(const std::string& name) {
  const Distribution& distribution = distribution_of(name);
  return {distribution.outcomes, distribution.outcomes + distribution.n_outcomes};
}

}  // namespace

void bind_resample(py::module_& module) {
  module.def("resample", &resample_itemsets, py::arg("blocks"), py::arg("n"), py::arg("items").noconvert(),
             py::arg("offsets").noconvert(), py::arg("distribution"), py::arg("seed"), py::arg("table"),
             py::arg("first_row"), py::arg("begin"), py::arg("end"), py::arg("out").noconvert(), py::arg("n_threads"),
             py::arg("monitor"));
  // The parts of the generator one by one, for known-answer tests.
  module.def("threefry4x32", &threefry_rounds, py::arg("counter"), py::arg("key"), py::arg("rounds"));
  module.def("outcomes", &outcomes, py::arg("distribution"));
  module.def(
      "row_weight",
      [](const std::string& distribution, std::uint64_t seed, std::uint32_t table, std::uint64_t row,
         std::uint32_t replicate) { return row_weight({&distribution_of(distribution), seed, table}, row, replicate); },
      py::arg("distribution"), py::arg("seed"), py::arg("table"), py::arg("row"), py::arg("replicate"));
}

}  // namespace askew::bindings

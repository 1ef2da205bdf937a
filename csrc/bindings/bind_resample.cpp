#include <array>

#include "bindings/bindings.hpp"
#include "core/threefry.hpp"
#include "core/weights.hpp"
#include "cpu/incidence.hpp"

namespace askew::bindings {
namespace {

const Distribution& distribution_of(const std::string& name) {
  if (name == "poisson" || name == "multinomial") return kPoisson16;
  if (name == "poisson32") return kPoisson32;
  throw std::invalid_argument("no distribution of weights '" + name + "'");
}

// The counts in `out`, of shape (end - begin, S), where the replicates of an itemset lie side by side.
ReplicateCounts counts_in(py::array_t<std::int64_t>& out, std::uint32_t begin, std::uint32_t end, std::int64_t size) {
  constexpr auto kItem = static_cast<py::ssize_t>(sizeof(std::int64_t));
  require(begin <= end && end <= (std::uint32_t{1} << 31), "replicates must be a range within [0, 2**31)");
  require(out.ndim() == 2 && out.shape(0) == end - begin && out.shape(1) == size,
          "out must have a row for each replicate and a column for each itemset");
  require(out.shape(0) <= 1 || out.strides(0) == kItem, "the replicates of an itemset must lie side by side in out");
  require(out.strides(1) % kItem == 0, "the columns of out must be aligned");
  return {out.mutable_data(), out.strides(1) / kItem, begin, end};
}

SampleCounts sample_counts_in(std::optional<py::array_t<std::int64_t>>& sample, std::int64_t size) {
  constexpr auto kItem = static_cast<py::ssize_t>(sizeof(std::int64_t));
  if (!sample) return {};
  require(sample->ndim() == 1 && sample->size() == size, "sample must have a number for each itemset");
  require(sample->strides(0) % kItem == 0, "the numbers of sample must be aligned");
  return {sample->mutable_data(), sample->strides(0) / kItem};
}

using UnitArray = py::array_t<std::uint32_t, py::array::c_style>;

// Checks what the kernels trust: rows are in units that exist, and strata have units, each of which is in one.
// `strata` are their bounds; of independent weights, of which nothing is to be known, none.
Units units_of(std::int64_t n, const std::optional<UnitArray>& of_row, const std::optional<UnitArray>& members,
               const Int64Array& strata, int most_added) {
  require(!of_row || (of_row->ndim() == 1 && of_row->size() == n), "there must be one unit for each row");
  require(strata.ndim() == 1 && strata.size() >= 1 && *strata.data() == 0, "the bounds of strata must begin with 0");
  require(most_added >= 1 && most_added <= 7, "most_added must be a number from 1 to 7");
  const std::int64_t* bounds = strata.data();
  const std::int64_t n_strata = strata.size() - 1, n_units = bounds[n_strata];
  require(std::adjacent_find(bounds, bounds + n_strata + 1, std::greater_equal<>()) == bounds + n_strata + 1,
          "the bounds of strata must rise");
  if (n_strata > 0) {
    require(n_units < std::int64_t{1} << 32, "strata have less than 2**32 units");
    require(of_row || n_units == n, "strata must have as many units as there are rows");
    require(
        !of_row || std::all_of(of_row->data(), of_row->data() + n, [=](std::uint32_t unit) { return unit < n_units; }),
        "a row is in a unit that no stratum has");
  }
  if (members) {
    require(members->ndim() == 1 && members->size() == n_units, "members must be the units of all strata");
    std::vector<bool> seen(static_cast<std::size_t>(n_units));
    for (std::int64_t i = 0; i < n_units; ++i) {
      const std::uint32_t unit = members->data()[i];
      require(unit < n_units && !seen[unit], "each unit must be a member of one stratum");
      seen[unit] = true;
    }
  }
  return {of_row ? of_row->data() : nullptr, members ? members->data() : nullptr, bounds, n_strata, most_added};
}

void resample_itemsets(const std::vector<WordArray>& blocks, std::int64_t n, const Int32Array& items,
                       const Int64Array& offsets, const std::string& distribution, std::uint64_t seed,
                       std::uint32_t table, std::uint64_t first_row, const std::optional<UnitArray>& unit_of_row,
                       const std::optional<UnitArray>& members, const Int64Array& strata, std::uint32_t begin,
                       std::uint32_t end, py::array_t<std::int64_t>& out, int n_threads, const py::object& callback,
                       std::optional<py::array_t<std::int64_t>>& sample, int most_added) {
  const Columns columns = columns_of(blocks, n);
  const Itemsets itemsets = itemsets_of(items, offsets, columns.size());
  require(n_threads >= 1, "n_threads must be positive");
  const ReplicateCounts counts = counts_in(out, begin, end, itemsets.size);
  const SampleCounts sample_counts = sample_counts_in(sample, itemsets.size);
  const Draws draws{&distribution_of(distribution), seed, table};
  const Units units = units_of(n, unit_of_row, members, strata, most_added);
  require((distribution == "multinomial") == (units.n_strata > 0), "multinomial weights, and no others, are of strata");
  require(units.n_strata == 0 || first_row == 0, "strata are those of a whole table");
  const Monitor monitor = python_monitor(callback);
  const py::gil_scoped_release release;
  resample(columns, n, itemsets, draws, first_row, units, counts, sample_counts, n_threads, monitor);
}

using Thresholds = py::array_t<std::uint32_t, py::array::c_style>;

// Tables are (first outcome, thresholds), of Poisson(1), Poisson(2), Poisson(4) …
std::vector<PoissonTable> poisson_tables(const std::vector<std::pair<std::int64_t, Thresholds>>& given) {
  std::vector<PoissonTable> tables;
  for (const auto& [first, thresholds] : given) {
    require(thresholds.ndim() == 1 && thresholds.size() < 1 << 16, "a table must be a short one-dimensional array");
    const std::uint32_t *begin = thresholds.data(), *end = begin + thresholds.size();
    require(std::is_sorted(begin, end), "the thresholds of a table must rise");
    tables.push_back({first, begin, thresholds.size(), {}});
    const std::uint32_t* above = begin;
    for (std::uint32_t i = 0; i < 1 << kGuideBits; ++i) {
      while (above < end && *above <= i << (32 - kGuideBits)) ++above;
      tables.back().guide[i] = static_cast<std::uint16_t>(above - begin);
    }
  }
  return tables;
}

void resample_distinct_rows(const std::vector<WordArray>& blocks, std::int64_t n, const Int64Array& multiplicities,
                            const Int32Array& items, const Int64Array& offsets,
                            const std::vector<std::pair<std::int64_t, Thresholds>>& tables, std::uint64_t seed,
                            std::uint32_t table, std::uint32_t begin, std::uint32_t end, py::array_t<std::int64_t>& out,
                            int n_threads, const py::object& callback) {
  const Columns columns = columns_of(blocks, n);
  const Itemsets itemsets = itemsets_of(items, offsets, columns.size());
  require(n_threads >= 1, "n_threads must be positive");
  require(multiplicities.ndim() == 1 && multiplicities.size() == n, "there must be one multiplicity for each row");
  const std::int64_t* multiplicity = multiplicities.data();
  const auto n_bits = static_cast<int>(std::min<std::size_t>(tables.size(), kTopBit + 1));
  require(std::all_of(multiplicity, multiplicity + n,
                      [=](std::int64_t c) {
                        return c >= 0 && c < std::int64_t{1} << 47 && (n_bits > kTopBit || c >> n_bits == 0);
                      }),
          "a multiplicity is negative, or has no table");
  const std::vector<PoissonTable> poisson = poisson_tables(tables);
  const ReplicateCounts counts = counts_in(out, begin, end, itemsets.size);
  const Monitor monitor = python_monitor(callback);
  const py::gil_scoped_release release;
  resample_patterns(columns, n, itemsets, {seed, table, multiplicity, poisson.data()}, counts, n_threads, monitor);
}

// The membership lists of a table, piece by piece, as resampling makes them: for a test that replays them.
py::list incidence_of(const WordArray& block, std::int64_t n, const Int32Array& items, const Int64Array& offsets,
                      int rows_per_flush, std::int64_t frequent_from, int n_threads) {
  const Columns columns = columns_of({block}, n);
  const Itemsets itemsets = itemsets_of(items, offsets, columns.size());
  require(itemsets.size > 0 && n_threads >= 1, "there must be itemsets and threads");
  py::list pieces;
  for (std::int64_t row = 0; row < n;) {
    const IncidenceChunk chunk =
        build_incidence(columns, n, itemsets, row, {rows_per_flush, frequent_from}, {}, n_threads, Monitor{});
    for (const IncidencePiece& piece : chunk.pieces) {
      py::list tiles, batches;
      for (const Incidence::Tile& tile : piece.tiles) tiles.append(py::make_tuple(tile.batch, tile.run));
      for (const Incidence::Batch& batch : piece.batches)
        batches.append(py::make_tuple(batch.row, batch.entry, batch.flush));
      const std::vector<std::uint32_t> entries(piece.entries.get(), piece.entries.get() + piece.batches.back().entry);
      pieces.append(py::make_tuple(piece.first_row, piece.rows, tiles, batches, entries, piece.flushes, piece.frequent,
                                   piece.quads, piece.runs));
    }
    row += chunk.n_rows;
  }
  return pieces;
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
             py::arg("first_row"), py::arg("unit_of_row").noconvert(), py::arg("members").noconvert(),
             py::arg("strata").noconvert(), py::arg("begin"), py::arg("end"), py::arg("out").noconvert(),
             py::arg("n_threads"), py::arg("monitor"), py::arg("sample").noconvert() = py::none(),
             py::arg("most_added") = Units{}.most_added);
  module.def("resample_patterns", &resample_distinct_rows, py::arg("blocks"), py::arg("n"),
             py::arg("multiplicities").noconvert(), py::arg("items").noconvert(), py::arg("offsets").noconvert(),
             py::arg("tables"), py::arg("seed"), py::arg("table"), py::arg("begin"), py::arg("end"),
             py::arg("out").noconvert(), py::arg("n_threads"), py::arg("monitor"));
  module.def("incidence", &incidence_of, py::arg("columns").noconvert(), py::arg("n"), py::arg("items").noconvert(),
             py::arg("offsets").noconvert(), py::arg("rows_per_flush"), py::arg("frequent_from"), py::arg("n_threads"));
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

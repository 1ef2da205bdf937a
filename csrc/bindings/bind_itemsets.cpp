#include <optional>

#include "bindings/bindings.hpp"

namespace askew::bindings {
namespace {

// Tables are (columns, masks or None); all have the same number of columns, each its own number of words.
py::object mine_tables(const std::vector<std::pair<WordArray, std::optional<WordArray>>>& tables,
                       std::int64_t min_count, std::int64_t max_size, std::int64_t max_sets, int n_threads,
                       const py::object& callback) {
  std::vector<MiningTable> mining;
  for (const auto& [columns, masks] : tables) {
    require(columns.ndim() == 2, "packed columns must be two-dimensional");
    require(columns.shape(0) == tables.front().first.shape(0), "tables to mine must have the same columns");
    const std::int64_t n = columns.shape(1) * kWordBits;
    mining.push_back({columns_of({columns}, n), masks ? columns_of({*masks}, n) : Columns{}, columns.shape(1)});
  }
  require(!mining.empty(), "no table to mine");
  const Monitor monitor = python_monitor(callback);
  std::optional<MinedItemsets> found;
  {
    const py::gil_scoped_release release;
    found = mine(mining, min_count, max_size, max_sets, n_threads, monitor);
  }
  if (!found) return py::none();
  return py::make_tuple(Int32Array(static_cast<py::ssize_t>(found->items.size()), found->items.data()),
                        Int64Array(static_cast<py::ssize_t>(found->offsets.size()), found->offsets.data()));
}

Int64Array count_itemsets(const std::vector<WordArray>& blocks, std::int64_t n, const Int32Array& items,
                          const Int64Array& offsets, int n_threads, const py::object& callback) {
  const Columns columns = columns_of(blocks, n);
  const Itemsets itemsets = itemsets_of(items, offsets, columns.size());
  Int64Array counts(itemsets.size);
  std::int64_t* out = counts.mutable_data();
  const Monitor monitor = python_monitor(callback);
  {
    const py::gil_scoped_release release;
    count(columns, n, itemsets, out, n_threads, monitor);
  }
  return counts;
}

}  // namespace

void bind_itemsets(py::module_& module) {
  module.def("mine", &mine_tables, py::arg("tables"), py::arg("min_count"), py::arg("max_size"), py::arg("max_sets"),
             py::arg("n_threads"), py::arg("monitor"));
  module.def("count", &count_itemsets, py::arg("blocks"), py::arg("n"), py::arg("items").noconvert(),
             py::arg("offsets").noconvert(), py::arg("n_threads"), py::arg("monitor"));
}

}  // namespace askew::bindings

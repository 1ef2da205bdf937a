#include <optional>

#include "bindings/bindings.hpp"

namespace askew::bindings {
namespace {

// An array that owns what a kernel returns.
template <class T>
py::array_t<T> array_of(std::unique_ptr<T[]> values, std::int64_t size) {
  const py::capsule owner(values.get(), [](void* memory) { delete[] static_cast<T*>(memory); });
  return py::array_t<T>(size, values.release(), owner);
}

// Tables are (columns, masks or None, groups or None); all have the same number of columns, each its own number of
// words.
using TableArrays = std::tuple<WordArray, std::optional<WordArray>, std::optional<WordArray>>;

py::object mine_tables(const std::vector<TableArrays>& tables, std::int64_t min_count, std::int64_t max_size,
                       std::int64_t max_sets, int n_threads, const py::object& callback) {
  require(n_threads >= 1, "n_threads must be positive");
  std::vector<MiningTable> mining;
  py::ssize_t n_groups = 0;
  for (const auto& [columns, masks, groups] : tables) {
    require(columns.ndim() == 2, "packed columns must be two-dimensional");
    require(columns.shape(0) == std::get<0>(tables.front()).shape(0), "tables to mine must have the same columns");
    const std::int64_t n = columns.shape(1) * kWordBits;
    require(n <= std::int64_t{1} << 32, "a table of more than 2**32 instances must be mined in parts, as a scan is");
    mining.push_back({columns_of({columns}, n), masks ? columns_of({*masks}, n) : Columns{},
                      groups ? columns_of({*groups}, n) : Columns{}, columns.shape(1)});
    n_groups += std::ssize(mining.back().groups);
  }
  require(!mining.empty(), "no table to mine");
  const Monitor monitor = python_monitor(callback);
  std::optional<MinedItemsets> found;
  {
    const py::gil_scoped_release release;
    found = mine(mining, min_count, max_size, max_sets, n_threads, monitor);
  }
  if (!found) return py::none();
  const std::int64_t n_items = found->offsets[static_cast<std::size_t>(found->size)];
  return py::make_tuple(array_of(std::move(found->items), n_items),
                        array_of(std::move(found->offsets), found->size + 1),
                        array_of(std::move(found->counts), found->size * n_groups).reshape({found->size, n_groups}));
}

Int64Array count_itemsets(const std::vector<WordArray>& blocks, std::int64_t n, const Int32Array& items,
                          const Int64Array& offsets, int n_threads, const py::object& callback) {
  require(n_threads >= 1, "n_threads must be positive");
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

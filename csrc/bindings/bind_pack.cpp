#include "bindings/bindings.hpp"

namespace askew::bindings {
namespace {

// Room for packed columns of n instances that begin at a cache line, so that no line is shared with another column and
// no load of 64 bytes spans two. `make` is numpy.empty or numpy.zeros: the memory stays NumPy's.
WordArray room_for_columns(const char* make, std::int64_t n_columns, std::int64_t n) {
  constexpr std::int64_t kLine = kBlockBits / 8;
  const std::int64_t size = n_columns * words_for(n);
  const WordArray memory = py::module_::import("numpy").attr(make)(size + kLine / 8 - 1, "uint64");
  const auto address = reinterpret_cast<std::uintptr_t>(memory.data());
  const std::uintptr_t skipped = -address % kLine / sizeof(Word);
  return WordArray({n_columns, words_for(n)}, memory.data() + skipped, memory);
}

py::tuple pack_array(const py::array_t<std::uint8_t>& values, int n_threads) {
  require(values.ndim() == 2, "values must be two-dimensional");
  const ByteTable table{values.data(), values.shape(0), values.shape(1), values.strides(0), values.strides(1)};
  WordArray columns = room_for_columns("empty", table.p, table.n);
  Word* out = columns.mutable_data();
  const Monitor monitor = python_monitor(py::none());
  std::int64_t wrong;
  {
    const py::gil_scoped_release release;
    wrong = pack(table, out, n_threads, monitor);
  }
  return py::make_tuple(columns, wrong);
}

template <class Offset, class Index>
WordArray pack_sparse_rows(const py::array_t<Offset, py::array::c_style>& offsets,
                           const py::array_t<Index, py::array::c_style>& indices, std::int64_t n_columns,
                           int n_threads) {
  const std::int64_t n = offsets.size() - 1;
  require(offsets.ndim() == 1 && indices.ndim() == 1 && n >= 0, "sparse rows must be two one-dimensional arrays");
  require(n_columns >= 0 && n_columns < std::int64_t{1} << 31, "the number of columns is out of range");
  WordArray columns = room_for_columns("zeros", n_columns, n);
  Word* out = columns.mutable_data();
  const Monitor monitor = python_monitor(py::none());
  const char* wrong;
  {
    const py::gil_scoped_release release;
    wrong = pack_sparse(offsets.data(), n, indices.data(), indices.size(), n_columns, out, n_threads, monitor);
  }
  require(wrong == nullptr, wrong);
  return columns;
}

// An array that owns its numbers: they are not copied.
Int64Array owned_array(Buffer<std::int64_t> numbers, std::int64_t size) {
  std::int64_t* const data = numbers.get();
  const py::capsule owner(numbers.release(), [](void* memory) { Free{}(memory); });
  return Int64Array(static_cast<py::ssize_t>(size), data, owner);
}

py::tuple distinct_rows(const WordArray& columns, std::int64_t n, int n_threads) {
  const Columns pointers = columns_of({columns}, n);
  const Monitor monitor = python_monitor(py::none());
  Patterns found;
  {
    const py::gil_scoped_release release;
    found = patterns(pointers, n, n_threads, monitor);
  }
  return py::make_tuple(owned_array(std::move(found.first), found.size),
                        owned_array(std::move(found.multiplicity), found.size));
}

}  // namespace

void bind_pack(py::module_& module) {
  module.def("pack", &pack_array, py::arg("values").noconvert(), py::arg("n_threads"));
  const auto def_pack_sparse = [&](auto function) {
    module.def("pack_sparse", function, py::arg("offsets").noconvert(), py::arg("indices").noconvert(),
               py::arg("n_columns"), py::arg("n_threads"));
  };
  def_pack_sparse(&pack_sparse_rows<std::int32_t, std::int32_t>);
  def_pack_sparse(&pack_sparse_rows<std::int32_t, std::int64_t>);
  def_pack_sparse(&pack_sparse_rows<std::int64_t, std::int32_t>);
  def_pack_sparse(&pack_sparse_rows<std::int64_t, std::int64_t>);
  module.def("patterns", &distinct_rows, py::arg("columns").noconvert(), py::arg("n"), py::arg("n_threads"));
}

}  // namespace askew::bindings

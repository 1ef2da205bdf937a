// What the binding files share: array types, and how kernels are run with the GIL released.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <vector>

#include "cpu/kernels.hpp"

namespace askew::bindings {

namespace py = pybind11;

using WordArray = py::array_t<Word, py::array::c_style>;
using Int64Array = py::array_t<std::int64_t, py::array::c_style>;
using Int32Array = py::array_t<std::int32_t, py::array::c_style>;

void bind_runtime(py::module_& module);
void bind_pack(py::module_& module);
void bind_itemsets(py::module_& module);
void bind_resample(py::module_& module);
void bind_summarize(py::module_& module);
void bind_dlpack(py::module_& module);
void bind_probes(py::module_& module);

// A Monitor that lets Ctrl-C through and passes progress to a Python callable or None, every 50 ms however many loops a
// kernel has, and however short they are; to a callable at once as well. Kernels call it without the GIL.
inline Monitor python_monitor(const py::object& callback) {
  const py::handle progress = callback;  // the caller of the kernel holds the reference
  using Clock = std::chrono::steady_clock;
  Clock::time_point last = progress.is_none() ? Clock::now() : Clock::time_point{};
  return [progress, last](std::int64_t done, std::int64_t total) mutable {
    const auto now = Clock::now();
    if (now - last < std::chrono::milliseconds(50)) return;
    last = now;
    const py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (!progress.is_none()) progress(done, total);
  };
}

inline void require(bool condition, const char* what) {
  if (!condition) throw std::invalid_argument(what);
}

// The columns of several blocks, in order. Every block must have the words that n instances take.
inline Columns columns_of(const std::vector<WordArray>& blocks, std::int64_t n) {
  require(n >= 0 && n < std::int64_t{1} << 62, "the number of instances is out of range");
  Columns columns;
  for (const WordArray& block : blocks) {
    require(block.ndim() == 2, "packed columns must be two-dimensional");
    require(block.shape(1) == words_for(n), "packed columns have the wrong number of words");
    for (py::ssize_t c = 0; c < block.shape(0); ++c) {
      columns.push_back(block.data() + c * block.shape(1));
      for (std::int64_t word = n / kWordBits; word < block.shape(1); ++word)
        require((columns.back()[word] & ~valid_bits(word, n)) == 0,
                "packed columns have bits beyond the last instance");
    }
  }
  return columns;
}

// Checks that the arrays are what core/itemsets.hpp describes: the kernels trust them.
inline Itemsets itemsets_of(const Int32Array& items, const Int64Array& offsets, std::size_t n_columns) {
  require(items.ndim() == 1 && offsets.ndim() == 1 && offsets.size() >= 1,
          "itemsets must be two one-dimensional arrays");
  const std::int64_t *begin = offsets.data(), *end = begin + offsets.size();
  require(*begin == 0 && *(end - 1) == items.size() && std::is_sorted(begin, end),
          "offsets of itemsets must rise from 0 to the number of items");
  const bool known = std::all_of(items.data(), items.data() + items.size(), [=](std::int32_t item) {
    return item >= 0 && static_cast<std::size_t>(item) < n_columns;
  });
  require(known, "an itemset names a column that does not exist");
  return {items.data(), begin, static_cast<std::int64_t>(offsets.size()) - 1};
}

}  // namespace askew::bindings

// askew._cuda: a GPU as askew.engine.device describes it, with compiled kernels. It can be imported where there is no
// driver: the CUDA runtime is linked in, and looks for the driver when it is first used.
#include <cuda_runtime_api.h>
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "cuda/launch.hpp"

namespace askew::cuda {
namespace {

namespace py = pybind11;

constexpr int kLeastCapability = 80;                        // what CMakeLists.txt compiles for
constexpr std::size_t kSharedBytesOfAnyKernel = 48 * 1024;  // more must be asked for

[[noreturn]] void fail(const std::string& what) {
  const py::gil_scoped_acquire gil;
  PyErr_SetString(py::module_::import("askew.errors").attr("BackendError").ptr(), what.c_str());
  throw py::error_already_set();
}

void check(cudaError_t error) {
  if (error == cudaSuccess) return;
  cudaGetLastError();  // or the next call would report it again
  fail(std::string("CUDA: ") + cudaGetErrorString(error) + " (" + cudaGetErrorName(error) + ")");
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

int capability_of(const cudaDeviceProp& device) { return 10 * device.major + device.minor; }

cudaDeviceProp properties(int ordinal) {
  cudaDeviceProp device;
  check(cudaGetDeviceProperties(&device, ordinal));
  return device;
}

std::string description(int ordinal) {
  const cudaDeviceProp device = properties(ordinal);
  return std::string(device.name) + " (compute capability " + std::to_string(device.major) + "." +
         std::to_string(device.minor) + ", " + std::to_string(device.totalGlobalMem >> 20) + " MiB)";
}

// Why the GPU cannot be used, and what would help; nothing if it can.
std::string obstacle(int ordinal) {
  int driver = 0, n_devices = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0)
    return "no NVIDIA driver was found: install one that knows CUDA " + version_text(CUDART_VERSION) + " or later";
  const cudaError_t error = cudaGetDeviceCount(&n_devices);
  cudaGetLastError();
  if (error == cudaErrorInsufficientDriver)
    return "the NVIDIA driver knows CUDA " + version_text(driver) + ", the extension was built with CUDA " +
           version_text(CUDART_VERSION) + ": install a newer driver";
  if (error == cudaErrorNoDevice || (error == cudaSuccess && n_devices == 0))
    return "the NVIDIA driver finds no GPU; if there is one, look at CUDA_VISIBLE_DEVICES";
  if (error != cudaSuccess) return std::string("CUDA cannot start: ") + cudaGetErrorString(error);
  if (ordinal < 0 || ordinal >= n_devices)
    return "this process sees " + std::to_string(n_devices) + " GPUs, and no GPU " + std::to_string(ordinal);
  if (capability_of(properties(ordinal)) < kLeastCapability)
    return "a GPU of compute capability 8.0 or higher is needed; this is " + description(ordinal);
  return {};
}

std::pair<bool, std::string> status(int ordinal) {
  const std::string why_not = obstacle(ordinal);
  return why_not.empty() ? std::pair(true, description(ordinal)) : std::pair(false, why_not);
}

class Memory {
 public:
  explicit Memory(std::size_t n_bytes) {
    const cudaError_t error = cudaMalloc(&address_, std::max<std::size_t>(n_bytes, 1));
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      throw std::bad_alloc();
    }
    check(error);
  }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  ~Memory() { cudaFree(address_); }

  std::uintptr_t address() const { return reinterpret_cast<std::uintptr_t>(address_); }

 private:
  void* address_ = nullptr;
};

class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(stream_); }

  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

void* pointer(std::uintptr_t address) { return reinterpret_cast<void*>(address); }

// The rows of a two-dimensional array, each without gaps.
struct Rows {
  std::size_t number, bytes, pitch;

  explicit Rows(const py::array& values) {
    if (values.ndim() != 2) throw std::invalid_argument("only two-dimensional arrays are copied");
    number = static_cast<std::size_t>(values.shape(0));
    bytes = static_cast<std::size_t>(values.shape(1) * values.itemsize());
    pitch = number > 1 ? static_cast<std::size_t>(values.strides(0)) : bytes;
    if ((values.shape(1) > 1 && values.strides(1) != values.itemsize()) || (number > 1 && values.strides(0) < 0) ||
        pitch < bytes)
      throw std::invalid_argument("the rows of an array to copy must be contiguous");
  }
};

void copy(void* to, std::size_t to_pitch, const void* from, std::size_t from_pitch, const Rows& rows,
          cudaMemcpyKind kind, const Stream& stream) {
  if (rows.number == 0 || rows.bytes == 0) return;
  const py::gil_scoped_release release;
  if (rows.pitch == rows.bytes)
    check(cudaMemcpyAsync(to, from, rows.number * rows.bytes, kind, stream.get()));
  else
    check(cudaMemcpy2DAsync(to, to_pitch, from, from_pitch, rows.bytes, rows.number, kind, stream.get()));
}

// Makes a GPU the one that the thread's calls go to, and what was so before when the block is left: other libraries
// have a current GPU as well, and it is the same.
class Current {
 public:
  explicit Current(int ordinal) : ordinal_(ordinal) {}

  void enter() {
    check(cudaGetDevice(&before_));
    check(cudaSetDevice(ordinal_));
  }
  void exit(const py::args&) const { check(cudaSetDevice(before_)); }

 private:
  int ordinal_, before_ = 0;
};

// A GPU, by its number among those that this process sees.
class Device {
 public:
  explicit Device(int ordinal) : ordinal_(ordinal) {
    const std::string why_not = obstacle(ordinal);
    if (!why_not.empty()) fail(why_not);
  }

  std::string description() const { return cuda::description(ordinal_); }
  Current current() const { return Current(ordinal_); }

  std::size_t free_bytes() const {
    std::size_t free = 0, total = 0;
    check(cudaMemGetInfo(&free, &total));
    return free;
  }

  void synchronize(const Stream& stream) const {
    const py::gil_scoped_release release;
    check(cudaStreamSynchronize(stream.get()));
  }

  // From memory that is not page-locked, this returns when all of it has been read.
  void upload(std::uintptr_t address, const py::array& values, const Stream& stream) const {
    const Rows rows(values);
    copy(pointer(address), rows.bytes, values.data(), rows.pitch, rows, cudaMemcpyHostToDevice, stream);
  }

  void download(py::array& values, std::uintptr_t address, const Stream& stream) const {
    const Rows rows(values);
    copy(values.mutable_data(), rows.pitch, pointer(address), rows.bytes, rows, cudaMemcpyDeviceToHost, stream);
  }

  void clear(std::uintptr_t address, std::size_t n_bytes, const Stream& stream) const {
    check(cudaMemsetAsync(pointer(address), 0, n_bytes, stream.get()));
  }

  void launch(const std::string& name, std::pair<unsigned, unsigned> grid, unsigned threads, std::size_t shared_bytes,
              std::vector<std::uint64_t> arguments, const Stream& stream) const {
    const Kernel* kernel = find_kernel(name);
    if (kernel == nullptr) throw std::invalid_argument("no kernel '" + name + "'");
    if (arguments.size() != static_cast<std::size_t>(kernel->n_parameters))
      throw std::invalid_argument("kernel '" + name + "' takes another number of arguments");
    std::vector<void*> pointers;
    for (std::uint64_t& argument : arguments) pointers.push_back(&argument);
    if (shared_bytes > kSharedBytesOfAnyKernel)
      check(cudaFuncSetAttribute(kernel->function, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared_bytes)));
    check(cudaLaunchKernel(kernel->function, dim3(grid.first, grid.second), dim3(threads), pointers.data(),
                           shared_bytes, stream.get()));
  }

 private:
  int ordinal_;
};

PYBIND11_MODULE(_cuda, module, py::mod_gil_not_used()) {
  module.doc() = "Compiled CUDA kernels of askew; askew.engine.cuda is their Python side.";
  module.def("status", &status, py::arg("ordinal") = 0);
  py::class_<Memory>(module, "Memory").def_property_readonly("address", &Memory::address);
  py::class_<Stream>(module, "Stream").def_property_readonly("handle", [](const Stream& stream) {
    return reinterpret_cast<std::uintptr_t>(stream.get());
  });
  py::class_<Current>(module, "Current").def("__enter__", &Current::enter).def("__exit__", &Current::exit);
  py::class_<Device>(module, "Device")
      .def(py::init<int>(), py::arg("ordinal") = 0)
      .def_property_readonly("description", &Device::description)
      .def("current", &Device::current)
      .def("free_bytes", &Device::free_bytes)
      .def("allocate", [](const Device&, std::size_t n_bytes) { return std::make_unique<Memory>(n_bytes); })
      .def("stream", [](const Device&) { return std::make_unique<Stream>(); })
      .def("synchronize", &Device::synchronize, py::arg("stream"))
      .def("upload", &Device::upload, py::arg("address"), py::arg("values"), py::arg("stream"))
      .def("download", &Device::download, py::arg("values").noconvert(), py::arg("address"), py::arg("stream"))
      .def("clear", &Device::clear, py::arg("address"), py::arg("n_bytes"), py::arg("stream"))
      .def("launch", &Device::launch, py::arg("kernel"), py::arg("grid"), py::arg("threads"), py::arg("shared_bytes"),
           py::arg("arguments"), py::arg("stream"));
}

}  // namespace
}  // namespace askew::cuda

#include <functional>
#include <string>
#include <utility>

#include "bindings/bindings.hpp"

// The C structures of https://dmlc.github.io/dlpack/latest/c_api.html, whose layout is an ABI. DLManagedTensor is what
// libraries exported before DLPack 1.0, and still do unless they are asked for the other.
extern "C" {
struct DLTensor {
  void* data;
  struct {
    std::int32_t type, id;
  } device;
  std::int32_t n_dimensions;
  struct {
    std::uint8_t code, bits;
    std::uint16_t lanes;
  } dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; null: C order
  std::uint64_t byte_offset;
};

struct DLManagedTensor {
  DLTensor tensor;
  void* manager;
  void (*deleter)(DLManagedTensor*);
};

struct DLManagedTensorVersioned {
  std::uint32_t major, minor;
  void* manager;
  void (*deleter)(DLManagedTensorVersioned*);
  std::uint64_t flags;
  DLTensor tensor;
};
}

namespace askew::bindings {
namespace {

constexpr std::uint32_t kMajor = 1;  // another major version is another layout

// Takes a capsule's tensor over, as the name that it gets says to everybody. Null if the capsule is of another kind.
template <class Managed>
Managed* taken(PyObject* capsule, const char* name, const char* used_name) {
  if (PyCapsule_IsValid(capsule, name) == 0) return nullptr;
  auto* managed = static_cast<Managed*>(PyCapsule_GetPointer(capsule, name));
  if (PyCapsule_SetName(capsule, used_name) != 0) throw py::error_already_set();
  return managed;
}

// An array of another library: where and how it lies. The library has it back when this object ends.
class DLPack {
 public:
  explicit DLPack(const py::object& capsule) {
    if (auto* old = taken<DLManagedTensor>(capsule.ptr(), "dltensor", "used_dltensor")) {
      give_back_ = [old] {
        if (old->deleter != nullptr) old->deleter(old);
      };
      tensor_ = &old->tensor;
    } else if (auto* versioned =
                   taken<DLManagedTensorVersioned>(capsule.ptr(), "dltensor_versioned", "used_dltensor_versioned")) {
      give_back_ = [versioned] {
        if (versioned->deleter != nullptr) versioned->deleter(versioned);
      };
      if (versioned->major != kMajor) {
        const std::string major = std::to_string(versioned->major);
        give_back_();
        throw py::buffer_error("it is of DLPack " + major + ", of which only version 1 is understood");
      }
      tensor_ = &versioned->tensor;
    } else {
      throw py::buffer_error("it gave no DLPack capsule that is still unused");
    }
  }
  DLPack(const DLPack&) = delete;
  DLPack& operator=(const DLPack&) = delete;
  ~DLPack() { give_back_(); }

  std::uint64_t address() const { return reinterpret_cast<std::uintptr_t>(tensor_->data) + tensor_->byte_offset; }

  std::vector<std::int64_t> shape() const { return {tensor_->shape, tensor_->shape + tensor_->n_dimensions}; }

  std::vector<std::int64_t> strides() const {
    if (tensor_->strides != nullptr) return {tensor_->strides, tensor_->strides + tensor_->n_dimensions};
    std::vector<std::int64_t> strides = shape();
    std::int64_t stride = 1;
    for (auto it = strides.rbegin(); it != strides.rend(); ++it) stride *= std::exchange(*it, stride);
    return strides;
  }

  py::tuple dtype() const { return py::make_tuple(tensor_->dtype.code, tensor_->dtype.bits, tensor_->dtype.lanes); }

 private:
  const DLTensor* tensor_ = nullptr;
  std::function<void()> give_back_;
};

}  // namespace

void bind_dlpack(py::module_& module) {
  py::class_<DLPack>(module, "DLPack")
      .def(py::init<const py::object&>(), py::arg("capsule"))
      .def_property_readonly("address", &DLPack::address)
      .def_property_readonly("shape", &DLPack::shape)
      .def_property_readonly("strides", &DLPack::strides)
      .def_property_readonly("dtype", &DLPack::dtype);
}

}  // namespace askew::bindings

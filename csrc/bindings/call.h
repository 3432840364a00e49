// What the bindings share in a call: memory, threads and stream are torch's; which twin runs; how ops are registered.
#pragma once

#include "check.h"  // before torch: it names the ABI

#ifdef C3D_WITH_CUDA
#include <dlfcn.h>
#include <torch/csrc/stable/accelerator.h>
#endif
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/tensor.h>

#include <stdexcept>
#include <tuple>
#include <vector>

#include "c3d/api.h"
#include "threads.h"

namespace c3d::bindings {

// A tensor's memory as the pointer that a field of an Args asks for: what it holds has been checked. None is nullptr.
struct ReadPointer {
  const void* data;
  template <typename T>
  operator const T*() const {
    return static_cast<const T*>(data);
  }
};
inline ReadPointer read(const Tensor& tensor) { return {tensor.const_data_ptr()}; }
inline ReadPointer read(const OptionalTensor& tensor) { return {tensor ? tensor->const_data_ptr() : nullptr}; }

struct WritePointer {
  void* data;
  template <typename T>
  operator T*() const {
    return static_cast<T*>(data);
  }
};
inline WritePointer write(const Tensor& tensor) { return {tensor.mutable_data_ptr()}; }
inline WritePointer write_if(bool wanted, const Tensor& tensor) { return {wanted ? tensor.mutable_data_ptr() : nullptr}; }

// Working memory, threads and CUDA stream of one call. Memory is torch's own, and goes back to torch when the call returns:
// torch gives it to nobody but this stream, so what is queued here has passed before it is written again.
class CallContext {
 public:
  CallContext(const Tensor& like, void* stream) : like_(like), stream_(stream) {}
  CallContext(const CallContext&) = delete;

  Context get() {
    Context context;
    context.scratch.allocate = [](void* user, size_t num_bytes) {
      return static_cast<CallContext*>(user)->allocate(num_bytes);
    };
    context.scratch.user = this;
    context.executor = threads();
    context.stream = stream_;
    return context;
  }

 private:
  void* allocate(size_t num_bytes) {
    try {
      blocks_.push_back(empty(like_, {static_cast<int64_t>(num_bytes ? num_bytes : 1)}, ScalarType::Byte));
    } catch (const std::exception&) {
      return nullptr;  // the core reports it as kOutOfMemory
    }
    return blocks_.back().mutable_data_ptr();
  }

  const Tensor& like_;
  void* stream_;
  std::vector<Tensor> blocks_;
};

inline void raise_if_failed(const Status& status) {
  switch (status.code) {
    case StatusCode::kOk: return;
    case StatusCode::kInvalidArgument: fail("ValueError", status.message);
    case StatusCode::kOutOfMemory: fail("MemoryError", status.message);
    case StatusCode::kDeviceError: fail("RuntimeError", status.message);
  }
}

template <typename Args>
using Twin = Status (*)(const Args& args, const Context& context);

template <typename Args>
void run_on_host(Twin<Args> op, const Tensor& like, const Args& args) {
  CallContext context(like, nullptr);
  raise_if_failed(op(args, context.get()));
}

#ifdef C3D_WITH_CUDA
// The cudaStream_t that torch queues on. Looked up at run time: a torch without CUDA, which loads this file too, lacks it.
inline void* current_stream(int32_t device) {
  using Getter = int32_t (*)(int32_t device, void** stream);
  static const Getter getter = [] {
    constexpr const char* kName = "aoti_torch_get_current_cuda_stream";
    void* symbol = dlsym(RTLD_DEFAULT, kName);
    void* library = symbol ? nullptr : dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
    if (library) symbol = dlsym(library, kName);
    return reinterpret_cast<Getter>(symbol);
  }();
  void* stream = nullptr;
  if (!getter || getter(device, &stream) != 0)
    fail("RuntimeError", "c3drender: this torch does not tell its current stream on cuda:", device);
  return stream;
}

template <typename Args>
void run_on_cuda(Twin<Args> op, const Tensor& like, const Args& args) {
  const int32_t device = like.get_device_index();
  const torch::stable::accelerator::DeviceGuard guard(device);
  CallContext context(like, current_stream(device));
  raise_if_failed(op(args, context.get()));
}
#endif

// C3D_RUN(op, like, args): the twin of `op` on the device of `like`, one of its tensors.
#if defined(C3D_EMULATION)  // for tests: the kernels themselves, on host memory (csrc/emulation)
#define C3D_RUN(op, like, args) run_on_host(cuda::op, like, args)
#elif defined(C3D_WITH_CUDA)
#define C3D_RUN(op, like, args) (like.is_cuda() ? run_on_cuda(cuda::op, like, args) : run_on_host(cpu::op, like, args))
#else
#define C3D_RUN(op, like, args) run_on_host(cpu::op, like, args)
#endif

// The ops are torch.ops.<C3D_LIBRARY>; tests build further libraries and load them beside c3drender.
#ifndef C3D_LIBRARY
#define C3D_LIBRARY c3drender
#endif

// C3D_DEFINE(m) { m.def(schema); } and C3D_IMPLEMENT(m) { m.impl(name, TORCH_BOX(&function)); }: the functions of one file.
// They serve both devices.
#define C3D_DEFINE(m) STABLE_TORCH_LIBRARY_FRAGMENT(C3D_LIBRARY, m)
#ifdef C3D_WITH_CUDA
#define C3D_IMPLEMENT(m)                                                \
  static void implement(torch::stable::detail::StableLibrary& m);       \
  STABLE_TORCH_LIBRARY_IMPL(C3D_LIBRARY, CPU, cpu) { implement(cpu); }  \
  STABLE_TORCH_LIBRARY_IMPL(C3D_LIBRARY, CUDA, gpu) { implement(gpu); } \
  static void implement(torch::stable::detail::StableLibrary& m)
#else
#define C3D_IMPLEMENT(m) STABLE_TORCH_LIBRARY_IMPL(C3D_LIBRARY, CPU, m)
#endif

}  // namespace c3d::bindings

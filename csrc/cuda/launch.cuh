// Everything a kernel's host side needs: scratch memory, shared memory and the one place where kernels are launched.
#pragma once

#include <cuda_runtime.h>

#include <cstdio>
#include <type_traits>

#include "../scratch.h"
#include "c3d/api.h"

namespace c3d::cuda {

constexpr unsigned kAllLanes = ~0u;
constexpr int kWarpSize = 32;

inline cudaStream_t stream_of(const Context& context) { return static_cast<cudaStream_t>(context.stream); }

// Turns CUDA's answer to `what`, a kernel's or a copy's name, into a Status.
inline Status status_of(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return {};
  // The one message that is not a literal: it stays until this thread's next failure on a device.
  thread_local char message[192];
  std::snprintf(message, sizeof message, "%s: %s", what, cudaGetErrorString(error));
  return {StatusCode::kDeviceError, message};
}

struct LaunchShape {
  int64_t num_blocks;
  int num_threads;
  size_t shared_bytes = 0;
  int num_rows = 1;  // of so many blocks: blockIdx.y
};

// Blocks of num_threads that together give every item of every row a thread.
inline LaunchShape thread_per_item(int64_t num_items, int num_threads, int num_rows = 1) {
  return {(num_items + num_threads - 1) / num_threads, num_threads, 0, num_rows};
}

#ifdef C3D_EMULATION
template <typename T>
T* dynamic_shared() {
  return static_cast<T*>(emulation::dynamic_shared());
}
#else
template <typename T>
__device__ T* dynamic_shared() {
  extern __shared__ __align__(16) unsigned char bytes[];
  return reinterpret_cast<T*>(bytes);
}
#endif

// Launch of a kernel that takes one struct. No blocks: no launch.
template <typename Args>
Status launch(const char* name, void (*kernel)(Args), LaunchShape shape, const Context& context,
              const std::common_type_t<Args>& args) {
  if (shape.num_blocks == 0) return {};
  if (shape.num_blocks > INT32_MAX) return status_of(cudaErrorInvalidConfiguration, name);
  const dim3 grid(static_cast<unsigned>(shape.num_blocks), static_cast<unsigned>(shape.num_rows));
  const dim3 block(static_cast<unsigned>(shape.num_threads));
#ifdef C3D_EMULATION
  struct Call {
    void (*kernel)(Args);
    const Args* args;
  } call{kernel, &args};
  const bool ran = emulation::run_grid(
      grid, block, shape.shared_bytes,
      [](void* user) {
        const Call& c = *static_cast<const Call*>(user);
        c.kernel(*c.args);
      },
      &call);
  (void)context;
  return status_of(ran ? cudaSuccess : cudaErrorLaunchFailure, name);
#else
  // clang-format off
  kernel<<<grid, block, shape.shared_bytes, stream_of(context)>>>(args);
  // clang-format on
  return status_of(cudaGetLastError(), name);
#endif
}

// The kernel's name is written once.
#define C3D_LAUNCH(kernel, ...) ::c3d::cuda::launch(#kernel, kernel, __VA_ARGS__)

}  // namespace c3d::cuda

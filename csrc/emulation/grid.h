// Runs a kernel's grid on the processor: block after block, each thread of a block a fibre that runs until it waits.
//
// The order in which threads and blocks run is the schedule's. A kernel whose result depends on it has a race.
#pragma once

#include <cstddef>
#include <cstdint>

#include "vector_types.h"

// What tests call in the library that they loaded.
#define C3D_EXPORT extern "C" __attribute__((visibility("default")))

namespace c3d::emulation {

enum class Order : int { kForward, kReversed, kRandom };

// Warps take turns in this order, and each runs as far ahead of the others as barriers allow. kRandom draws the order of
// blocks, warps and lanes anew for every turn, stops warps at random, and pauses threads at some atomic operations.
C3D_EXPORT void c3d_emulation_set_schedule(Order order, uint64_t seed);
C3D_EXPORT uint64_t c3d_emulation_num_kernels_run();

// False when the threads of a block wait for each other for good, or call a warp function with lanes that do not join in.
// Everything past a failure is left undone.
bool run_grid(dim3 grid, dim3 block, size_t shared_bytes, void (*body)(void* user), void* user);

void* dynamic_shared();  // of the running block, 16-byte aligned, filled with garbage when the block starts

// What the threads of a warp do together. Every lane in `mask` must arrive with the same operation and mask.
enum class WarpOp : int { kNone, kSync, kShuffle, kBallot, kMatch };
// kShuffle: the value of lane `operand`; kBallot: the lanes whose value is not 0; kMatch: the lanes with an equal value.
uint64_t warp_collective(WarpOp op, uint32_t mask, uint64_t value, int operand);

// Waits for all threads of the block that have not ended; returns how many came with a predicate that is not 0.
int block_barrier(int predicate, int* num_threads);

void pause_at_random();

}  // namespace c3d::emulation

extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

#include "grid.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "fibre.h"

uint3 threadIdx, blockIdx;
dim3 blockDim, gridDim;

#if defined(__x86_64__)
asm(R"(
.text
.globl c3d_switch_stack
.type c3d_switch_stack, @function
c3d_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size c3d_switch_stack, .-c3d_switch_stack
)");
#endif

namespace c3d::emulation {
namespace {

constexpr int kWarpSize = 32;
constexpr size_t kStackBytes = 128 << 10;

enum class State { kReady, kAtBarrier, kAtWarpOp, kDone };

struct Thread {
  Fibre fibre;
  std::unique_ptr<char[]> stack;
  uint3 idx;
  State state;
  // of the warp operation it waits in
  WarpOp op;
  uint32_t mask;
  uint64_t value;
  int operand;
  uint64_t result;
  // of the barrier it waits at
  int predicate, num_true, num_arrived;
};

struct Grid {
  Fibre scheduler;
  std::vector<Thread> threads;
  int num_threads = 0, num_live = 0, current = 0;
  std::unique_ptr<char[]> shared;
  void (*body)(void*) = nullptr;
  void* user = nullptr;
  Order order = Order::kForward;
  std::mt19937_64 random;
  uint64_t num_kernels = 0;
};

Grid grid_now;

Thread& current_thread() { return grid_now.threads[grid_now.current]; }

void wait(State state) {
  Thread& thread = current_thread();
  thread.state = state;
  thread.fibre.switch_to(grid_now.scheduler);
}

void release_barrier_if_complete() {
  int num_waiting = 0, num_true = 0;
  for (int t = 0; t < grid_now.num_threads; ++t) {
    const Thread& thread = grid_now.threads[t];
    num_waiting += thread.state == State::kAtBarrier;
    num_true += thread.state == State::kAtBarrier && thread.predicate;
  }
  if (num_waiting == 0 || num_waiting < grid_now.num_live) return;
  for (int t = 0; t < grid_now.num_threads; ++t) {
    Thread& thread = grid_now.threads[t];
    if (thread.state != State::kAtBarrier) continue;
    thread.state = State::kReady;
    thread.num_true = num_true;
    thread.num_arrived = num_waiting;
  }
}

void run_thread() {
  grid_now.body(grid_now.user);
  --grid_now.num_live;
  current_thread().state = State::kDone;
  release_barrier_if_complete();
  current_thread().fibre.switch_to(grid_now.scheduler);
  std::abort();  // an ended thread is never resumed
}

// Gives each ready thread of a warp one turn, which lasts until it waits. False when none was ready.
bool give_turns(int warp) {
  int lanes[kWarpSize];
  const int first = warp * kWarpSize, num_lanes = std::min(kWarpSize, grid_now.num_threads - first);
  std::iota(lanes, lanes + num_lanes, first);
  if (grid_now.order == Order::kReversed) std::reverse(lanes, lanes + num_lanes);
  if (grid_now.order == Order::kRandom) std::shuffle(lanes, lanes + num_lanes, grid_now.random);
  bool any = false;
  for (int l = 0; l < num_lanes; ++l) {
    Thread& thread = grid_now.threads[lanes[l]];
    if (thread.state != State::kReady) continue;
    any = true;
    grid_now.current = lanes[l];
    threadIdx = thread.idx;
    grid_now.scheduler.switch_to(thread.fibre);
  }
  return any;
}

// A warp runs as far ahead of the others as barriers allow; under kRandom it may be stopped after each turn. False when some
// threads wait for good.
bool run_block() {
  std::vector<int> warps((grid_now.num_threads + kWarpSize - 1) / kWarpSize);
  std::iota(warps.begin(), warps.end(), 0);
  if (grid_now.order == Order::kReversed) std::reverse(warps.begin(), warps.end());
  while (grid_now.num_live > 0) {
    if (grid_now.order == Order::kRandom) std::shuffle(warps.begin(), warps.end(), grid_now.random);
    bool progress = false;
    for (const int warp : warps) {
      while (give_turns(warp)) {
        progress = true;
        if (grid_now.order == Order::kRandom && (grid_now.random() & 7) == 0) break;
      }
    }
    if (!progress) return false;
  }
  return true;
}

void start_block(dim3 block, size_t shared_bytes) {
  grid_now.num_live = grid_now.num_threads;
  grid_now.shared.reset(new char[shared_bytes]);  // exactly as long: the address sanitizer watches its ends
  std::memset(grid_now.shared.get(), 0xC5, shared_bytes);
  for (int t = 0; t < grid_now.num_threads; ++t) {
    Thread& thread = grid_now.threads[t];
    if (!thread.stack) thread.stack.reset(new char[kStackBytes]);
    const unsigned i = static_cast<unsigned>(t);
    thread.idx = {i % block.x, i / block.x % block.y, i / block.x / block.y};
    thread.state = State::kReady;
    thread.op = WarpOp::kNone;
    thread.fibre.start(thread.stack.get(), kStackBytes, run_thread);
  }
}

uint64_t result_of(WarpOp op, uint32_t mask, const Thread* warp, int lane) {
  uint64_t lanes = 0;
  switch (op) {
    case WarpOp::kShuffle: {
      const int from = warp[lane].operand & (kWarpSize - 1);
      return mask >> from & 1 ? warp[from].value : 0xC5C5C5C5C5C5C5C5u;  // a lane that does not join in has no value
    }
    case WarpOp::kBallot:
      for (int l = 0; l < kWarpSize; ++l) lanes |= uint64_t{(mask >> l & 1) && warp[l].value != 0} << l;
      return lanes;
    case WarpOp::kMatch:
      for (int l = 0; l < kWarpSize; ++l) lanes |= uint64_t{(mask >> l & 1) && warp[l].value == warp[lane].value} << l;
      return lanes;
    default: return 0;
  }
}

}  // namespace

void c3d_emulation_set_schedule(Order order, uint64_t seed) {
  grid_now.order = order;
  grid_now.random.seed(seed);
}

uint64_t c3d_emulation_num_kernels_run() { return grid_now.num_kernels; }

void* dynamic_shared() { return grid_now.shared.get(); }

uint64_t warp_collective(WarpOp op, uint32_t mask, uint64_t value, int operand) {
  const int first = grid_now.current & ~(kWarpSize - 1);
  Thread* warp = &grid_now.threads[first];
  Thread& self = current_thread();
  self.op = op;
  self.mask = mask;
  self.value = value;
  self.operand = operand;

  const auto joins = [&](int l) {
    const bool here = first + l < grid_now.num_threads && (&warp[l] == &self || warp[l].state == State::kAtWarpOp);
    return here && warp[l].op == op && warp[l].mask == mask;
  };
  bool complete = mask >> (grid_now.current - first) & 1;
  for (int l = 0; l < kWarpSize && complete; ++l) complete = !(mask >> l & 1) || joins(l);
  // A lane that others wait for and that never comes is found when nobody can go on.
  if (!complete) {
    wait(State::kAtWarpOp);
    return self.result;
  }
  for (int l = 0; l < kWarpSize; ++l)
    if (mask >> l & 1) warp[l].result = result_of(op, mask, warp, l);
  for (int l = 0; l < kWarpSize; ++l)
    if (mask >> l & 1) warp[l].state = State::kReady;
  return self.result;
}

int block_barrier(int predicate, int* num_threads) {
  Thread& self = current_thread();
  self.predicate = predicate;
  self.state = State::kAtBarrier;
  release_barrier_if_complete();
  if (self.state == State::kAtBarrier) self.fibre.switch_to(grid_now.scheduler);
  *num_threads = self.num_arrived;
  return self.num_true;
}

void pause_at_random() {
  if (grid_now.order == Order::kRandom && (grid_now.random() & 7) == 0) wait(State::kReady);
}

bool run_grid(dim3 grid, dim3 block, size_t shared_bytes, void (*body)(void* user), void* user) {
  ++grid_now.num_kernels;
  grid_now.num_threads = static_cast<int>(block.x * block.y * block.z);
  if (grid_now.threads.size() < static_cast<size_t>(grid_now.num_threads)) grid_now.threads.resize(grid_now.num_threads);
  grid_now.body = body;
  grid_now.user = user;
  blockDim = block;
  gridDim = grid;

  std::vector<uint64_t> blocks(uint64_t{grid.x} * grid.y * grid.z);
  std::iota(blocks.begin(), blocks.end(), uint64_t{0});
  if (grid_now.order == Order::kReversed) std::reverse(blocks.begin(), blocks.end());
  if (grid_now.order == Order::kRandom) std::shuffle(blocks.begin(), blocks.end(), grid_now.random);
  for (const uint64_t b : blocks) {
    blockIdx = {static_cast<unsigned>(b % grid.x), static_cast<unsigned>(b / grid.x % grid.y),
                static_cast<unsigned>(b / grid.x / grid.y)};
    start_block(block, shared_bytes);
    if (!run_block()) return false;
  }
  return true;
}

}  // namespace c3d::emulation

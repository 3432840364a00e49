// Fibres: many call stacks on one operating-system thread, switched by hand.
#pragma once

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace c3d::emulation {

#if defined(__x86_64__)

// Saves the callee-saved registers on the running stack, notes its top in *from, and goes on from the top `to`.
extern "C" void c3d_switch_stack(void** from, void* to);

class Fibre {
 public:
  // entry must never return. The stack is the caller's.
  void start(char* stack, size_t num_bytes, void (*entry)()) {
    const uintptr_t top = (reinterpret_cast<uintptr_t>(stack) + num_bytes) & ~uintptr_t{15};
    // A function expects its stack at 8 modulo 16, as after a call.
    void** frame = reinterpret_cast<void**>(top - 16) - 6;
    for (int i = 0; i < 6; ++i) frame[i] = nullptr;  // six callee-saved registers
    frame[6] = reinterpret_cast<void*>(entry);
    top_ = frame;
  }
  void switch_to(Fibre& next) { c3d_switch_stack(&top_, next.top_); }

 private:
  void* top_ = nullptr;
};

#else

class Fibre {
 public:
  void start(char* stack, size_t num_bytes, void (*entry)()) {
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack;
    context_.uc_stack.ss_size = num_bytes;
    context_.uc_link = nullptr;
    makecontext(&context_, entry, 0);
  }
  void switch_to(Fibre& next) { swapcontext(&context_, &next.context_); }

 private:
  ucontext_t context_;
};

#endif

}  // namespace c3d::emulation

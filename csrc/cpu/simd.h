// Run-time choice of instruction set. C3D_DISPATCH compiles an always-inline body, plain loops that the compiler vectorises,
// for each set and calls the best that the processor has. Code on vector types goes through each_target.h.
#pragma once

#include <cstdint>
#include <cstring>
#include <utility>

#include "c3d/api.h"

#define C3D_INLINE __attribute__((always_inline)) inline

#if defined(__x86_64__)
#ifdef __clang__  // prefers the widest vectors that code names by itself
#define C3D_AVX512_SET "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c,bmi,bmi2,popcnt"
#else
#define C3D_AVX512_SET "avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c,bmi,bmi2,popcnt,prefer-vector-width=512"
#endif
#define C3D_AVX2_SET "avx2,fma,f16c,bmi,bmi2,popcnt"
// Tests define these beforehand, to see what lesser processors run.
#ifndef C3D_CPU_HAS_AVX512
#define C3D_CPU_HAS_AVX512 \
  (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))
#endif
#ifndef C3D_CPU_HAS_AVX2
#define C3D_CPU_HAS_AVX2 (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
#endif
// Defines `name(args)` from the always-inline template `body(args)`. All that it calls is inlined: a function of its own would
// be compiled for the lowest instruction set.
#define C3D_DISPATCH(name, body, Args)                                                                              \
  __attribute__((target(C3D_AVX512_SET), flatten)) static void name##_avx512(Args args) { body(args); }             \
  __attribute__((target(C3D_AVX2_SET), flatten)) static void name##_avx2(Args args) { body(args); }                 \
  static void name##_baseline(Args args) { body(args); }                                                            \
  static void name(Args args) {                                                                                     \
    static const auto best = C3D_CPU_HAS_AVX512 ? name##_avx512 : C3D_CPU_HAS_AVX2 ? name##_avx2 : name##_baseline; \
    best(args);                                                                                                     \
  }
#else
#define C3D_DISPATCH(name, body, Args) \
  static void name(Args args) { body(args); }
#endif

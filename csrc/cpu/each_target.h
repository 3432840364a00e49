// Compiles the file named by C3D_TARGET_FILE once for each instruction set, in a namespace of its own, and undefines the name.
// GCC splits vector types of an inline function that has no target itself to what the lowest instruction set holds, before it
// inlines it: code on such types must be compiled as a whole for its target.
#include "simd.h"

#if defined(__x86_64__)
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx2,fma,f16c,bmi,bmi2,popcnt,prefer-vector-width=512")
#define C3D_AVX512  // the compiler's own macros do not follow the pragma
namespace c3d::cpu::avx512 {
#include C3D_TARGET_FILE
}
#undef C3D_AVX512
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,f16c,bmi,bmi2,popcnt")
#define C3D_AVX2
namespace c3d::cpu::avx2 {
#include C3D_TARGET_FILE
}
#undef C3D_AVX2
#pragma GCC pop_options
#endif

namespace c3d::cpu::baseline {
#include C3D_TARGET_FILE
}
#undef C3D_TARGET_FILE

// C3D_BEST(function): the address of the best version that the processor can run.
#if defined(__x86_64__)
#define C3D_BEST(function) (C3D_CPU_HAS_AVX512 ? avx512::function : C3D_CPU_HAS_AVX2 ? avx2::function : baseline::function)
#else
#define C3D_BEST(function) baseline::function
#endif

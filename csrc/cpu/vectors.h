// Memory and lanes of the compiler's vector types. Included once inside the namespace of each instruction set: a vector passes
// between functions only where both are compiled for the set that holds it. Hence no guard.

template <typename V>
C3D_INLINE V load_vector(const void* from) {  // unaligned
  V v;
  std::memcpy(&v, from, sizeof(V));
  return v;
}

template <typename V>
C3D_INLINE void store_vector(void* to, const V& v) {  // unaligned
  std::memcpy(to, &v, sizeof(V));
}

// Lane i of the result is lane from[i] of a, and beyond those of b.
template <int... from, typename V>
C3D_INLINE V shuffle(const V& a, const V& b) {
#ifdef __clang__
  return __builtin_shufflevector(a, b, from...);
#else
  return __builtin_shuffle(a, b, decltype(a < b){from...});
#endif
}

#if defined(__clang__) || __GNUC__ >= 12
template <int first, typename V, int... lane>
C3D_INLINE auto lanes_of(const V& v, std::integer_sequence<int, lane...>) {
  return __builtin_shufflevector(v, v, (first + lane)...);
}
#endif

// The part of a vector that begins `at` parts from its first lane.
template <int at, typename Part, typename V>
C3D_INLINE Part part_of(const V& v) {
#if defined(__clang__) || __GNUC__ >= 12
  constexpr int num = static_cast<int>(sizeof(Part) / sizeof(v[0]));
  return lanes_of<at * num>(v, std::make_integer_sequence<int, num>());
#else
  return load_vector<Part>(reinterpret_cast<const char*>(&v) + at * sizeof(Part));
#endif
}

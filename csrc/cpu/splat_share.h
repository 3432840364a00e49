// Shares a tile's points, in the order of their depth, out to the lists of its blocks.
// Included by splat_simd.h, once for each instruction set.

// Consecutive places of a tile's list.
struct Places {
  uint32_t first, count;
};

C3D_INLINE Places hidden_places(const TileArgs& args, int32_t view) {
  if (!args.splat->hidden) return {0, 0};
  const int64_t* hidden = args.splat->hidden + 2 * view;
  const uint32_t *begin = args.scratch.index, *end = begin + args.num_points;
  const uint32_t* first = std::lower_bound(begin, end, hidden[0]);
  const uint32_t* last = std::lower_bound(first, end, hidden[1]);
  return {static_cast<uint32_t>(first - begin), static_cast<uint32_t>(last - first)};
}

#ifdef C3D_AVX512
constexpr int kTogether = 16;
typedef i32x16 Words;

// Writes the places where `words` have a bit, one after the other, and returns how many: `to` has room for all.
C3D_INLINE int append_with_bit(Words words, int bit, Words places, uint32_t* to) {
  const __mmask16 has =
      _mm512_test_epi32_mask(reinterpret_cast<__m512i>(words), _mm512_set1_epi32(static_cast<int>(1u << bit)));
  const __m512i chosen = _mm512_maskz_compress_epi32(has, reinterpret_cast<__m512i>(places));
  const int num = __builtin_popcount(has);
  std::memcpy(to, &chosen, sizeof chosen / 2);
  if (num > 8) _mm512_storeu_si512(to, chosen);  // rare; a whole vector mostly lies on two cache lines
  return num;
}
#elif defined(C3D_AVX2)
constexpr int kTogether = 8;
typedef i32x8 Words;

// Row m: the places of the bits of m, ascending.
struct BitPlaces {
  uint8_t of[256][8];
  constexpr BitPlaces() : of() {
    for (int mask = 0; mask < 256; ++mask)
      for (int bit = 0, num = 0; bit < 8; ++bit)
        if (mask >> bit & 1) of[mask][num++] = static_cast<uint8_t>(bit);
  }
};
constexpr BitPlaces kBitPlaces;

C3D_INLINE int append_with_bit(Words words, int bit, Words places, uint32_t* to) {
  const __m256i at_sign = _mm256_sll_epi32(reinterpret_cast<__m256i>(words), _mm_cvtsi32_si128(31 - bit));
  const int has = _mm256_movemask_ps(_mm256_castsi256_ps(at_sign));
  const __m256i from = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(kBitPlaces.of[has])));
  store(to, _mm256_permutevar8x32_epi32(reinterpret_cast<__m256i>(places), from));
  return __builtin_popcount(static_cast<uint32_t>(has));
}
#endif

// Appends the points [begin, end) of the draw order, without those hidden, to the lists of the blocks that they may touch.
C3D_INLINE void share_out(const TileArgs& args, int64_t begin, int64_t end, Places hidden, int32_t* num_listed) {
  const TileScratch& scratch = args.scratch;
  const int32_t num = static_cast<int32_t>(end - begin);
  const uint32_t* order = scratch.order + begin;
  uint32_t blocks[kChunk + 16];
  uint32_t* ends[kBlocks];
  for (int block = 0; block < kBlocks; ++block) ends[block] = scratch.lists + block * kListStride;
  for (int32_t j = 0; j < num; ++j) blocks[j] = scratch.blocks[order[j]];
  if (hidden.count > 0)
    for (int32_t j = 0; j < num; ++j) blocks[j] = order[j] - hidden.first < hidden.count ? 0 : blocks[j];
#if defined(C3D_AVX512) || defined(C3D_AVX2)
  for (int32_t j = num; j < (num + kTogether - 1) / kTogether * kTogether; ++j) blocks[j] = 0;
  // Several points at a time. Near in depth is mostly near in the picture: they touch few of the blocks.
  for (int32_t j = 0; j < num; j += kTogether) {
    const Words touched = load<Words>(blocks + j), places = load<Words>(order + j);
    for (uint32_t left = bits_of_all(touched); left; left &= left - 1) {
      const int block = __builtin_ctz(left);
      ends[block] += append_with_bit(touched, block, places, ends[block]);
    }
  }
#else
  for (int32_t j = 0; j < num; ++j)
    for (uint32_t touch = blocks[j]; touch; touch &= touch - 1) *ends[__builtin_ctz(touch)]++ = order[j];
#endif
  for (int block = 0; block < kBlocks; ++block)
    num_listed[block] = static_cast<int32_t>(ends[block] - (scratch.lists + block * kListStride));
}

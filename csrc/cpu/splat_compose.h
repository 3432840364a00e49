// A tile's sides to its part of a frame.
// Included by splat_simd.h, once for each instruction set.

constexpr int kTilePixels = kBlocks * kLanes;
constexpr int kTogetherComposed = 4;  // blocks; loops over one alone would be unrolled, and not become vectors

// A side's picture, block by block; what a block that is not weighed lacks is 0.
struct SidePlanes {
  float alpha[kTilePixels], disp[kTilePixels], feat[kNarrow][kTilePixels];
  C3D_INLINE SidePixel pixel(int l) const { return {{feat[0][l], feat[1][l], feat[2][l]}, feat[3][l], alpha[l], disp[l]}; }
};

static_assert(sizeof(SidePlanes) == kSideBytes);

C3D_INLINE SidePlanes& side_planes(const TileArgs& args, int32_t side) {
  return reinterpret_cast<SidePlanes*>(args.scratch.sides)[side];
}

C3D_INLINE void keep_side(const Sums& sums, int block, int part, SidePlanes& side) {
  const int first = block * kLanes + part * kPartLanes;
  store(side.alpha + first, sums.weight);
  store(side.disp + first, sums.disp);
  for (int c = 0; c < kNarrow; ++c) store(side.feat[c] + first, sums.feat[c]);
}

C3D_INLINE void copy_side(const SidePlanes& from, int block, SidePlanes& to) {
  const int first = block * kLanes;
  store(to.alpha + first, load<f32x16>(from.alpha + first));
  store(to.disp + first, load<f32x16>(from.disp + first));
  for (int c = 0; c < kNarrow; ++c) store(to.feat[c] + first, load<f32x16>(from.feat[c] + first));
}

// A finished pixel: its bytes in one word, red lowest.
C3D_INLINE uint32_t pixel_word(const SidePixel& fwd, const SidePixel& bwd, const FrameShares& shares) {
  return uint32_t{frame_byte(fwd, bwd, 0, shares)} | uint32_t{frame_byte(fwd, bwd, 1, shares)} << 8 |
         uint32_t{frame_byte(fwd, bwd, 2, shares)} << 16;
}

C3D_INLINE void write_row(const uint32_t* words, int32_t width, uint8_t* rgb) {
  if (width == kBlock) {
    const uint64_t head = words[0] | uint64_t{words[1]} << 24 | uint64_t{words[2]} << 48;
    const uint32_t tail = words[2] >> 16 | words[3] << 8;
    std::memcpy(rgb, &head, sizeof head);
    std::memcpy(rgb + sizeof head, &tail, sizeof tail);
    return;
  }
  for (int32_t x = 0; x < width; ++x) std::memcpy(rgb + 3 * x, words + x, 3);
}

// `differ`: blocks that the sides do not see alike; of the others only the first side's picture is there.
// flatten: formulas that stay functions of their own are compiled for the lowest instruction set.
__attribute__((noinline, flatten)) static void compose_tile(const TileArgs& args, uint32_t differ) {
  constexpr int kNum = kTogetherComposed * kLanes;
  const FrameOut& frame = *args.frame;
  const FrameRules rules = frame.rules;
  const SidePlanes& fwd = side_planes(args, 0);
  SidePlanes& bwd = side_planes(args, 1);
  for (int first_block = 0; first_block < kBlocks; first_block += kTogetherComposed) {
    const int first = first_block * kLanes;
    uint32_t words[kNum];
    uint8_t uncovered[kNum];
    if ((differ >> first_block & ((1u << kTogetherComposed) - 1)) == 0) {
      for (int j = 0; j < kNum; ++j) {
        const SidePixel both = fwd.pixel(first + j);
        words[j] = pixel_word(both, both, shares_of_same(both, rules.least_alpha));
        uncovered[j] = is_uncovered(both, both, rules.least_alpha);
      }
    } else {
      for (int block = first_block; block < first_block + kTogetherComposed; ++block)
        if (!(differ >> block & 1)) copy_side(fwd, block, bwd);
      for (int j = 0; j < kNum; ++j) {
        const SidePixel one = fwd.pixel(first + j), other = bwd.pixel(first + j);
        words[j] = pixel_word(one, other, shares_of_sides(one, other, rules));
        uncovered[j] = is_uncovered(one, other, rules.least_alpha);
      }
    }
    for (int k = 0; k < kTogetherComposed; ++k) {
      const BlockPlace place = place_of(args, args.first_view, first_block + k);
      for (int32_t y = 0; y < place.height; ++y) {
        const int64_t pixel = place.pixel + static_cast<int64_t>(y) * args.grid.width;
        const int from = k * kLanes + y * kBlock;
        write_row(words + from, place.width, frame.rgb + 3 * pixel);
        std::memcpy(frame.uncovered + pixel, uncovered + from, static_cast<size_t>(place.width));
      }
    }
  }
}

// Blocks of any number of channels: each pixel's features are summed over its own hits, which splat_hits.h found.
// Included by splat_simd.h, once for each instruction set.

// Channels of which the sums of four pixels and a row fit the registers. Of more, each pixel is summed by itself: to walk the
// hits again for every few channels takes longer.
#ifdef C3D_AVX512
constexpr int32_t kQuadChannels = 64;
#elif defined(C3D_AVX2)
constexpr int32_t kQuadChannels = 24;
#else
constexpr int32_t kQuadChannels = 8;
#endif

// Asks for the lines that a row of a block's sums will be written to.
C3D_INLINE void prefetch_sums(const TileArgs& args, const BlockPlace& place, int32_t y) {
  if (y >= place.height || place.width == 0) return;
  const int64_t pixel_bytes = args.splat->num_channels * static_cast<int64_t>(sizeof(float));
  const char* row = reinterpret_cast<const char*>(args.splat->feat_out) +
                    (place.pixel + static_cast<int64_t>(y) * args.grid.width) * pixel_bytes;
  for (int64_t at = 0; at < place.width * pixel_bytes; at += kLineBytes) __builtin_prefetch(row + at, 1, 3);
  __builtin_prefetch(row + place.width * pixel_bytes - 1, 1, 3);
}

// The first n of a vector's values.
template <typename V>
C3D_INLINE void store_first(float* to, const V& values, int32_t n) {
  constexpr int32_t kSize = static_cast<int32_t>(sizeof(V) / sizeof(float));
#ifdef C3D_AVX512
  if constexpr (kSize == 16)
    _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1u), reinterpret_cast<__m512>(values));
  else
    _mm256_mask_storeu_ps(to, static_cast<__mmask8>((1u << n) - 1u), reinterpret_cast<__m256>(values));
#else
  if (n >= kSize) {
    store(to, values);
  } else if constexpr (kSize == 4) {
    if (n & 2) std::memcpy(to, &values, 2 * sizeof(float));
    if (n & 1) to[n - 1] = n & 2 ? values[2] : values[0];
  } else {
    const auto [low, high] = halves(values);
    store_first(to, low, std::min(n, kSize / 2));
    if (n > kSize / 2) store_first(to + kSize / 2, high, n - kSize / 2);
  }
#endif
}

// kVectors * 16 + kTail features of a pixel, of which the last may lie beyond num_channels: a row is padded, a pixel is not.
template <int kVectors, int kTail>
C3D_INLINE void store_pixel(const f32x16* sums, const f32x8& tail, int32_t num_channels, float* out) {
  if constexpr (kVectors > 0) {  // without optimisation GCC warns of what a loop of no turns would read
    for (int v = 0; v < kVectors; ++v) {
      if (16 * (v + 1) <= num_channels)
        store(out + 16 * v, sums[v]);
      else
        store_first(out + 16 * v, sums[v], num_channels - 16 * v);
    }
  }
  if (kTail) store_first(out + 16 * kVectors, tail, std::min(num_channels - 16 * kVectors, 8));
}

// A block whose hits are known, with their weights in the pixel; none where hits.weight is nullptr.
struct HitBlock {
  BlockPlace place;
  BlockHits hits;
  int32_t num_hits;
  int32_t part;  // of HitsMemory
  BlockPlace next_place;  // of the block that is summed after this one, empty where there is none
};

// Sums the features of the hits of one pixel.
template <int kVectors, int kTail, typename T>
C3D_INLINE void sum_pixel(const HitBlock& block, int lane, const T* rows, int64_t stride, int32_t num_channels, float* out) {
  const BlockHits& hits = block.hits;
  f32x16 sums[kVectors + 1];  // cleared one by one: as a whole they would be cleared in memory
  for (int v = 0; v < kVectors; ++v) sums[v] = f32x16{};
  f32x8 tail = {};
  const float* weights = reinterpret_cast<const float*>(hits.weight) + lane;
  for (int32_t word = 0; word * 32 < block.num_hits; ++word) {
    uint32_t bits = static_cast<uint32_t>(reinterpret_cast<const int32_t*>(hits.lanes + word)[lane]);
    for (; bits; bits &= bits - 1) {
      const int32_t k = word * 32 + __builtin_ctz(bits);
      const float weight = weights[k * kLanes];
      const T* row = rows + static_cast<int64_t>(hits.row[k]) * stride;
      for (int v = 0; v < kVectors; ++v) sums[v] = multiply_add(sums[v], all_lanes(weight), load_feat<f32x16>(row + 16 * v));
      if (kTail) tail = multiply_add(tail, all_lanes<f32x8>(weight), load_feat<f32x8>(row + 16 * kVectors));
    }
  }
  store_pixel<kVectors, kTail>(sums, tail, num_channels, out);
}

// The same for 2x2 pixels from `lane` on, whose sums begin at the four `out`: a row that is loaded once serves all of them,
// with weight 0 where it hits one and not another. False, and nothing is written, where a sum is no finite number: such a
// feature, times 0, would have spoilt the pixels beside it.
template <int kVectors, int kTail, typename T>
C3D_INLINE bool sum_quad(const HitBlock& block, int lane, const T* rows, int64_t stride, int32_t num_channels,
                         float* const* out) {
  const BlockHits& hits = block.hits;
  constexpr int kLaneOf[] = {0, 1, kBlock, kBlock + 1};
  f32x16 sums[4][kVectors + 1], tails[2] = {};  // tails of two pixels in a vector
  for (int p = 0; p < 4; ++p)
    for (int v = 0; v < kVectors; ++v) sums[p][v] = f32x16{};
  const float* weights = reinterpret_cast<const float*>(hits.weight) + lane;
  for (int32_t word = 0; word * 32 < block.num_hits; ++word) {
    const uint32_t* of_pixel = reinterpret_cast<const uint32_t*>(hits.lanes + word) + lane;
    uint32_t bits = of_pixel[0] | of_pixel[1] | of_pixel[kBlock] | of_pixel[kBlock + 1];
    for (; bits; bits &= bits - 1) {
      const int32_t k = word * 32 + __builtin_ctz(bits);
      const float* weight = weights + k * kLanes;
      const T* row = rows + static_cast<int64_t>(hits.row[k]) * stride;
      for (int v = 0; v < kVectors; ++v) {
        const f32x16 feat = load_feat<f32x16>(row + 16 * v);
        for (int p = 0; p < 4; ++p) sums[p][v] = multiply_add(sums[p][v], all_lanes(weight[kLaneOf[p]]), feat);
      }
      if (kTail) {
        const f32x8 feat = load_feat<f32x8>(row + 16 * kVectors);
        for (int p = 0; p < 4; p += 2)
          tails[p / 2] =
              multiply_add(tails[p / 2], half_lanes(weight[kLaneOf[p]], weight[kLaneOf[p + 1]]), joined(feat, feat));
      }
    }
  }
  f32x16 total = tails[0] + tails[1];
  for (int v = 0; v < kVectors; ++v) total += (sums[0][v] + sums[1][v]) + (sums[2][v] + sums[3][v]);
  const Lanes every = less(f32x16{}, all_lanes(1.0f)), finite = less(total - total, all_lanes(1.0f));
  if (any(but_not(every, finite))) return false;
  for (int p = 0; p < 4; ++p)
    store_pixel<kVectors, kTail>(sums[p], p % 2 ? halves(tails[p / 2]).hi : halves(tails[p / 2]).lo, num_channels, out[p]);
  return true;
}

// kVectors * 16 + kTail channels of a block, from `rows` on; `out`: of its first pixel. Between the pixels it asks for the
// lines of the block that comes next: all at once, they would wait for each other.
template <int kVectors, int kTail, typename T>
C3D_INLINE void sum_channels(const TileArgs& args, const HitBlock& block, const T* rows, int64_t stride, int32_t num_channels,
                             float* out) {
  const BlockPlace& place = block.place;
  const int64_t right = args.splat->num_channels, down = right * args.grid.width;
  for (int32_t y = 0; y < place.height; y += 2)
    for (int32_t x = 0; x < place.width; x += 2) {
      if (num_channels == args.splat->num_channels) prefetch_sums(args, block.next_place, y + x / 2);  // once a block
      float* first = out + y * down + x * right;
      float* const of_pixel[] = {first, first + right, first + down, first + down + right};
      const int lane = y * kBlock + x;
      if (16 * kVectors + kTail <= kQuadChannels && y + 1 < place.height && x + 1 < place.width &&
          sum_quad<kVectors, kTail>(block, lane, rows, stride, num_channels, of_pixel))
        continue;
      for (int32_t p = 0; p < 4; ++p)
        if (y + p / 2 < place.height && x + p % 2 < place.width)
          sum_pixel<kVectors, kTail>(block, lane + p / 2 * kBlock + p % 2, rows, stride, num_channels, of_pixel[p]);
    }
}

// Finds the shape of the channels that are summed at a time, kEighths times eight at most.
template <int kEighths, typename T>
C3D_INLINE void sum_shape(int32_t eighths, const TileArgs& args, const HitBlock& block, const T* rows, int64_t stride,
                          int32_t num_channels, float* out) {
  if constexpr (kEighths > 0) {
    if (eighths == kEighths)
      sum_channels<kEighths / 2, kEighths % 2 * 8>(args, block, rows, stride, num_channels, out);
    else
      sum_shape<kEighths - 1>(eighths, args, block, rows, stride, num_channels, out);
  }
}

template <typename T>
C3D_INLINE void sum_pixels(const TileArgs& args, const Rows& rows, const HitBlock& block) {
  const int32_t num_channels = args.splat->num_channels, eighths = (num_channels + 7) / 8;
  float* out = args.splat->feat_out + block.place.pixel * num_channels;
  constexpr int32_t kStep = 8;
  for (int32_t done = 0; done < eighths; done += kStep) {
    const int32_t c = 8 * done;
    sum_shape<kStep>(std::min(eighths - done, kStep), args, block, static_cast<const T*>(rows.first) + c, rows.stride,
                     num_channels - c, out + c);
  }
}

static void write_wide(const TileArgs& args, const Rows& rows, const HitBlock& block) {
  const SplatPointsArgs& splat = *args.splat;
  const BlockPlace& place = block.place;
  const BlockHits& hits = block.hits;
  // Two chains: an addition waits for the one before it in its own. So the last bit may depend on what hits the other pixels.
  f32x16 alpha = {}, disp = {}, odd_alpha = {}, odd_disp = {};
  const auto add = [&](int32_t k, f32x16& weights, f32x16& disps) C3D_LAMBDA {
    weights += hits.weight[k];
    disps = multiply_add(disps, hits.weight[k], all_lanes(args.scratch.inv_z[hits.place[k]]));
  };
  const int32_t num_pairs = block.num_hits / 2;
  for (int32_t pair = 0; pair < num_pairs; ++pair) {
    add(2 * pair, alpha, disp);
    add(2 * pair + 1, odd_alpha, odd_disp);
  }
  if (block.num_hits > 2 * num_pairs) add(block.num_hits - 1, alpha, disp);
  store_block(alpha + odd_alpha, place, args.grid.width, splat.alpha_out);
  store_block(disp + odd_disp, place, args.grid.width, splat.disp_out);
  for (int32_t y = 0; splat.idx_out && y < place.height; ++y)
    for (int32_t x = 0; x < place.width; ++x) {
      int32_t* idx = splat.idx_out + (place.pixel + static_cast<int64_t>(y) * args.grid.width + x) * splat.max_points;
      int32_t count = 0;
      for (int32_t k = 0; k < block.num_hits; ++k)
        if (reinterpret_cast<const uint32_t*>(hits.lanes + k / 32)[y * kBlock + x] >> (k & 31) & 1)
          idx[count++] = static_cast<int32_t>(args.scratch.index[hits.place[k]]);
      std::fill(idx + count, idx + splat.max_points, -1);
    }
  switch (rows.type) {
    case FeatType::kFloat32: sum_pixels<float>(args, rows, block); break;
#ifdef C3D_AVX512
    case FeatType::kFloat16: sum_pixels<Half>(args, rows, block); break;
    case FeatType::kBFloat16: sum_pixels<BFloat16>(args, rows, block); break;
#else
    default: break;  // load_rows made floats of them
#endif
  }
}

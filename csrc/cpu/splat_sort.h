// Sorts a tile's points by depth.
// Included by splat_simd.h, once for each instruction set.

// Sorts by two digits of the keys, of kDigit bits from first_shift on, stably; writes their places, the bits of place_mask.
// Both digits are counted in one pass: the first sort does not change how often the second one's values occur.
template <int kDigit, typename Key>
C3D_INLINE void sort_two_digits(Key* keys, Key* swap, int64_t n, int first_shift, Key place_mask, uint32_t* order) {
  constexpr uint32_t kValues = 1u << kDigit;
  uint32_t low[kValues] = {}, high[kValues] = {};
  const auto digit = [=](Key key, int at) {
    return static_cast<uint32_t>(key >> (first_shift + kDigit * at)) & (kValues - 1);
  };
  for (int64_t i = 0; i < n; ++i) {
    ++low[digit(keys[i], 0)];
    ++high[digit(keys[i], 1)];
  }
  for (uint32_t v = 0, low_sum = 0, high_sum = 0; v < kValues; ++v) {
    const uint32_t in_low = low[v], in_high = high[v];
    low[v] = low_sum, high[v] = high_sum;
    low_sum += in_low, high_sum += in_high;
  }
  for (int64_t i = 0; i < n; ++i) swap[low[digit(keys[i], 0)]++] = keys[i];
  for (int64_t i = 0; i < n; ++i) order[high[digit(swap[i], 1)]++] = static_cast<uint32_t>(swap[i] & place_mask);
}

// Sorts by (z, place in the list), and places ascend like point indices. Positive floats order like their bits.
C3D_INLINE void sort_by_depth(const TileArgs& args) {
  const TileScratch& scratch = args.scratch;
  const uint32_t* depth = scratch.depth;
  uint32_t* order = scratch.order;
  const int64_t n = args.num_points;
  uint32_t least = ~0u, most = 0;
  for (int64_t i = 0; i < n; ++i) {
    least = depth[i] < least ? depth[i] : least;
    most = depth[i] > most ? depth[i] : most;
  }
  if (n == 0) return;
  // The leading bits of the depths' range, two digits of them, and the place make a key. Then what these bits left in the
  // list's order is repaired.
  const int range_bits = 32 - __builtin_clz((most - least) | 1);
  const auto sort = [&](auto* keys, auto* swap, auto kDigit, int place_bits) C3D_LAMBDA {
    using Key = std::remove_reference_t<decltype(*keys)>;
    const int drop = std::max(range_bits - 2 * kDigit, 0);
    for (int64_t i = 0; i < n; ++i) keys[i] = static_cast<Key>((depth[i] - least) >> drop) << place_bits | static_cast<Key>(i);
    sort_two_digits<kDigit>(keys, swap, n, place_bits, static_cast<Key>((Key{1} << place_bits) - 1), order);
    return drop;
  };
  const int drop = n <= 65536 ? sort(reinterpret_cast<uint32_t*>(scratch.keys), reinterpret_cast<uint32_t*>(scratch.keys_swap),
                                     std::integral_constant<int, 8>{}, 16)
                              : sort(scratch.keys, scratch.keys_swap, std::integral_constant<int, 11>{}, 32);
  if (drop == 0) return;
  const auto nearer = [=](uint32_t a, uint32_t b) { return depth[a] != depth[b] ? depth[a] < depth[b] : a < b; };
  const auto key = [=](int64_t i) { return (depth[order[i]] - least) >> drop; };
  uint32_t before = depth[order[0]];
  for (int64_t i = 1; i < n; ++i) {
    const uint32_t here = depth[order[i]];
    if (here < before) {
      int64_t begin = i - 1, end = i + 1;
      while (begin > 0 && key(begin - 1) == key(i)) --begin;
      while (end < n && key(end) == key(i)) ++end;
      std::sort(order + begin, order + end, nearer);
      i = end - 1;
    }
    before = depth[order[i]];
  }
}

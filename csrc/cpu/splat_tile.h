// What binning, drawing and their driver share in splat_points on the CPU.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <type_traits>

#include "c3d/formulas.h"
#include "parallel.h"
#include "simd.h"
#include "splat_views.h"

namespace c3d::cpu {

constexpr int kTileWidth = 32;
constexpr int kTileHeight = 16;
constexpr int kBlock = 4;  // a tile is drawn in blocks of 4x4 pixels, a vector lane a pixel
constexpr int kLanes = kBlock * kBlock;
constexpr int kBlocksX = kTileWidth / kBlock, kBlocksY = kTileHeight / kBlock, kBlocks = kBlocksX * kBlocksY;
constexpr int kBatch = 64;  // points that are projected at a time; arrays that a batch is written to have room for a whole one
constexpr int kChunk = 2048;  // points of a tile that are shared out to its blocks at a time
constexpr int kListStride = kChunk + 16;  // not a power of two: the lists' heads must not fall into one cache set
constexpr int kNarrow = 4;  // channels up to which a block is summed while its hits are found

static_assert(kLanes == 16 && kBlocks == 32);  // a vector of floats; a bit each

struct TileGrid {
  int32_t num_x, num_y;
  int32_t width, height;  // px, of the picture
};

// Consecutive points. What lies side by side in memory mostly lies side by side in the picture: where they are treated
// alike, a stretch stands for dozens of points.
struct Stretch {
  uint32_t first, num;
};

// A stretch whose points may all touch the same tiles: num_x by num_y of them from `tile` on.
struct PlacedStretch {
  Stretch points;
  uint32_t tile, num_x, num_y;
};

// What a run has put into a tile's list. Stretches that follow each other become one: a picture's row is one stretch a tile.
struct TileCount {
  static constexpr uint32_t kNone = ~0u;
  uint32_t stretches, points;
  uint32_t end;  // of the last stretch's points, or kNone
};

// A run of consecutive points, binned by one worker. Runs are laid out one after the other inside each tile's list, so a list
// ascends in point index.
struct BinArgs {
  const SplatPointsArgs* splat;
  const Camera* camera;
  TileGrid grid;
  int64_t begin, end;  // points
  PlacedStretch* placed;  // [end - begin] room for this run's stretches
  int64_t* num_placed;  // [1]
  TileCount* count;  // [tiles] of this run
  int64_t* cursor;  // [tiles] this run's write position in each tile's list
  Stretch* lists;  // tile by tile
};

struct TilePoint {
  float u, v;  // px
  float inv_r2;  // 1 / radius_px^2
  float z;
};

// What each instruction set's own types take (splat_simd.h).
constexpr int64_t kVectorBytes = sizeof(float) * kLanes, kStateBytes = 7 * kVectorBytes;
constexpr int64_t kNarrowStateBytes = 18 * kVectorBytes, kSideBytes = kBlocks * 6 * kVectorBytes;

// The hits of a block, near to far: points that cover any of its pixels. A vector holds a value for each pixel.
struct HitsMemory {
  char* weight;  // [kLanes * max_points] vectors: 0 in lanes that the point does not cover
  char* lanes;  // [kLanes * max_points / 32 + 1] vectors: bit k % 32 of word k / 32: hit k covers the lane
  char* closing_scale;  // [kLanes * max_points] vectors, kSurface: scale of the surfaces that end before hit closing_at, -1 in
                        // other lanes
  int32_t* closing_at;
  uint32_t* place;  // [kLanes * max_points] of the point in the tile's list
  uint32_t* row;  // [kLanes * max_points] of its features in Rows
};

// Working memory of one worker for the tile at hand.
struct TileScratch {
  uint32_t* index;  // [longest list] of each point in the caller's arrays, ascending
  TilePoint* points;  // [longest list] like the next four in the list's order
  uint32_t* blocks;  // [longest list] bit b: may touch block b
  uint8_t* halves;  // [longest list] bit k: may touch the k-th two rows, half a block's; where blocks are drawn in halves
  uint32_t* depth;  // [longest list] bits of z
  float* inv_z;  // [longest list]
  float* opacity;  // [longest list], or nullptr
  float* rows;  // [longest list, row_stride] features
  uint32_t* order;  // [longest list] places in the list, near to far
  uint64_t* keys;  // [longest list]
  uint64_t* keys_swap;  // [longest list]
  uint32_t* lists;  // [kBlocks, kListStride] places of the blocks' points, near to far
  char* states;  // [kBlocks] BlockState; narrow: KeptParts
  char* sides;  // [2] SidePlanes, of a frame
  HitsMemory hits;  // wide: [kBlocks], or [2] where blocks take turns
  bool in_turns;  // no tile needs several chunks
};

// Where features are summed from: the caller's array, or the tile's copy of it in floats.
struct Rows {
  const void* first;
  FeatType type;
  int64_t stride;  // values
  const uint32_t* number;  // [num_points] of the tile's points; nullptr: as their places
};

// A tile of consecutive views through the same camera, which differ in the points that are hidden from them.
struct TileArgs {
  const SplatPointsArgs* splat;
  const FrameOut* frame;  // nullptr: the views' pictures are wanted
  TileGrid grid;
  const Stretch* list;  // [num_stretches] of this tile, ascending
  int64_t num_stretches, num_points;
  const Stretch* next_list;  // [num_next] of the tile that this worker draws next
  int64_t num_next;
  int32_t tile_x, tile_y;
  int32_t first_view, num_views;
  TileScratch scratch;
};

// The wide path keeps the hits themselves.
inline bool is_narrow(const SplatPointsArgs& args) { return args.num_channels <= kNarrow && !args.idx_out; }

constexpr int32_t row_stride(int32_t num_channels) { return num_channels <= kNarrow ? kNarrow : (num_channels + 7) / 8 * 8; }

}  // namespace c3d::cpu

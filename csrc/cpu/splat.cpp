// splat_points on the CPU: project -> bin into tiles -> per tile: sort by depth, then draw near to far. Consecutive views
// through the same camera share everything up to the sort, and what they both see.
//
// Order is by (z, point index) everywhere and every tile is written by one thread, so the result does not depend on how the
// work was shared out.
#include "../checks.h"
#include "splat_tile.h"
#include "splat_views.h"

#define C3D_TARGET_FILE "splat_simd.h"
#include "each_target.h"

namespace c3d::cpu {
namespace {

struct Kernels {
  void (*place_points)(const BinArgs&);
  void (*fill_lists)(const BinArgs&);
  void (*render_tile)(const TileArgs&);
};

Kernels best_kernels() { return {C3D_BEST(place_points), C3D_BEST(fill_lists), C3D_BEST(render_tile)}; }

bool allocate_tile_scratch(TileScratch& scratch, const Scratch& from, int64_t longest_list, const SplatPointsArgs& args,
                           bool is_frame) {
  const int64_t n = longest_list + kBatch;
  scratch.index = allocate<uint32_t>(from, n);
  scratch.points = allocate<TilePoint>(from, n);
  scratch.blocks = allocate<uint32_t>(from, n);
  scratch.halves = allocate<uint8_t>(from, n);
  scratch.depth = allocate<uint32_t>(from, n);
  scratch.inv_z = allocate<float>(from, n);
  scratch.opacity = args.opacity ? allocate<float>(from, n) : nullptr;
  scratch.rows = allocate<float>(from, n * row_stride(args.num_channels));
  scratch.order = allocate<uint32_t>(from, n);
  scratch.keys = allocate<uint64_t>(from, n);
  scratch.keys_swap = allocate<uint64_t>(from, n);
  scratch.lists = allocate<uint32_t>(from, kBlocks * kListStride);
  scratch.states = allocate<char>(from, kBlocks * (is_narrow(args) ? kNarrowStateBytes : kStateBytes));
  if ((args.opacity && !scratch.opacity) || !scratch.index || !scratch.points || !scratch.blocks || !scratch.halves ||
      !scratch.depth || !scratch.inv_z || !scratch.rows || !scratch.order || !scratch.keys || !scratch.keys_swap ||
      !scratch.lists || !scratch.states)
    return false;
  if (is_frame && !(scratch.sides = allocate<char>(from, 2 * kSideBytes))) return false;
  if (is_narrow(args)) return true;
  scratch.in_turns = longest_list <= kChunk;
  const int64_t num_hits = static_cast<int64_t>(kLanes) * args.max_points, num_blocks = scratch.in_turns ? 2 : kBlocks;
  const auto vectors = [&](int64_t count) { return allocate<char>(from, num_blocks * count * kVectorBytes); };
  HitsMemory& hits = scratch.hits;
  hits.weight = vectors(num_hits);
  hits.lanes = vectors(num_hits / 32 + 1);
  hits.closing_scale = vectors(num_hits);
  hits.closing_at = allocate<int32_t>(from, num_blocks * num_hits);
  hits.place = allocate<uint32_t>(from, num_blocks * num_hits);
  hits.row = allocate<uint32_t>(from, num_blocks * num_hits);
  return hits.weight && hits.lanes && hits.closing_scale && hits.closing_at && hits.place && hits.row;
}

constexpr Status kNoMemory{StatusCode::kOutOfMemory, "splat_points: out of memory for working buffers"};

}  // namespace

Status splat_views(const SplatPointsArgs& args, int32_t first_view, int32_t num_views, const FrameOut* frame,
                   const Context& context) {
  const Executor& executor = context.executor;
  static const Kernels kernels = best_kernels();
  const Camera& camera = args.cameras[first_view];
  const TileGrid grid{(camera.width + kTileWidth - 1) / kTileWidth, (camera.height + kTileHeight - 1) / kTileHeight,
                      camera.width, camera.height};
  const int64_t num_tiles = static_cast<int64_t>(grid.num_x) * grid.num_y;

  const int64_t num_runs = std::min<int64_t>(executor.num_threads, (args.num_points + 4095) / 4096);
  PlacedStretch* placed = allocate<PlacedStretch>(context.scratch, args.num_points);
  TileCount* counts = allocate<TileCount>(context.scratch, num_runs * num_tiles);  // [runs, tiles]
  int64_t* cursors = allocate<int64_t>(context.scratch, num_runs * num_tiles);  // [runs, tiles]
  int64_t* num_placed = allocate<int64_t>(context.scratch, num_runs);
  int64_t* tile_start = allocate<int64_t>(context.scratch, num_tiles + 1);
  int64_t* tile_points = allocate<int64_t>(context.scratch, num_tiles);
  if (!placed || !counts || !cursors || !num_placed || !tile_start || !tile_points) return kNoMemory;

  const auto run_args = [&](int64_t run, Stretch* lists) {
    const int64_t begin = args.num_points * run / num_runs, end = args.num_points * (run + 1) / num_runs;
    return BinArgs{&args,
                   &camera,
                   grid,
                   begin,
                   end,
                   placed + begin,
                   num_placed + run,
                   counts + run * num_tiles,
                   cursors + run * num_tiles,
                   lists};
  };
  parallel_tasks(executor, num_runs, [&](int64_t run) { kernels.place_points(run_args(run, nullptr)); });
  int64_t total = 0, longest_list = 0;
  for (int64_t tile = 0; tile < num_tiles; ++tile) {
    tile_start[tile] = total;
    tile_points[tile] = 0;
    for (int64_t run = 0; run < num_runs; ++run) {
      TileCount& count = counts[run * num_tiles + tile];
      cursors[run * num_tiles + tile] = total;
      total += count.stretches;
      tile_points[tile] += count.points;
      count.end = TileCount::kNone;  // fill_lists joins the same stretches again
    }
    longest_list = std::max(longest_list, tile_points[tile]);
  }
  tile_start[num_tiles] = total;
  Stretch* lists = allocate<Stretch>(context.scratch, total);
  if (!lists) return kNoMemory;
  parallel_tasks(executor, num_runs, [&](int64_t run) { kernels.fill_lists(run_args(run, lists)); });

  const int64_t num_workers = std::min<int64_t>(executor.num_threads, num_tiles);
  TileScratch* scratch = allocate<TileScratch>(context.scratch, num_workers);
  if (!scratch) return kNoMemory;
  for (int64_t i = 0; i < num_workers; ++i)
    if (scratch[i] = TileScratch{}; !allocate_tile_scratch(scratch[i], context.scratch, longest_list, args, frame != nullptr))
      return kNoMemory;
  parallel_items_ahead(executor, num_tiles, [&](int worker, int64_t tile, int64_t next) {
    const int64_t start = tile_start[tile], next_start = tile_start[next];
    kernels.render_tile({&args, frame, grid, lists + start, tile_start[tile + 1] - start, tile_points[tile],
                         lists + next_start, next < num_tiles ? tile_start[next + 1] - next_start : 0,
                         static_cast<int32_t>(tile % grid.num_x), static_cast<int32_t>(tile / grid.num_x), first_view,
                         num_views, scratch[worker]});
  });
  return {};
}

Status splat_points(const SplatPointsArgs& args, const Context& context) {
  Status status = check_on_host(args, context);
  for (int32_t view = 0, num_views; status.ok() && view < args.num_cameras; view += num_views) {
    num_views = 1;
    while (view + num_views < args.num_cameras &&
           std::memcmp(&args.cameras[view + num_views], &args.cameras[view], sizeof(Camera)) == 0)
      ++num_views;
    status = splat_views(args, view, num_views, nullptr, context);
  }
  return status;
}

}  // namespace c3d::cpu

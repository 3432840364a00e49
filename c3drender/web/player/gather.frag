// A frame from the table of hits: around each pixel the points whose discs cover it, near to far, composited by the renderer's
// SurfaceWalk, once for each side of the loop, and the sides blended as by its frame_pixel.
uniform usampler2D hits;
uniform usampler2D occupied;  // slots, by blocks
uniform ivec2 size;         // px, of the photo
uniform float reach;        // 1 + depth tolerance
uniform float share;        // of the backward side
uniform bool twoSided;
uniform float sharpness;
uniform float leastAlpha;

layout(location = 0) out vec4 frame;  // a: 0 where nothing covers

const int BORDER = 5, BLOCK = 8, STILL_SLOTS = 3, FORWARD = 3, BACKWARD = 4, NUM_SLOTS = 5;
const int MOST_SURFACES = 8;
const float FAR = 3e38;

struct Side {
  vec4 sum;  // colour and confidence, by coverage
  float alpha, disp;
};

// Of the hits of one surface: sums by weight, and how deep they lie.
struct Hits {
  vec4 sum;
  float weight, opaque, cover, disp;
  float first, last;
  float next;  // the first one beyond the surface
};

ivec2 px;
uint slots;  // those that hold anything around here

ivec2 placeIn(int slot) { return px + ivec2(slot & 1, slot >> 1) * (size + 2 * BORDER) + BORDER; }

// Adds the hits of a slot that lie beyond `before`, up to `end`.
void add(int slot, float before, float end, inout Hits hits_) {
  ivec2 at = placeIn(slot);
  for (int y = -1; y <= 1; ++y) {
    for (int x = -1; x <= 1; ++x) {
      uvec4 hit = texelFetch(hits, at + ivec2(x, y), 0);
      if (hit.y == 0u) continue;
      float depth = uintBitsToFloat(hit.y);
      vec2 offset = vec2(uvec2(hit.x, hit.x >> 11) & 2047u) * (8.0 / 2047.0) - 4.0, far = abs(offset);
      // What lies in another pixel is taken from there, and if that is no neighbour from here.
      float outside = max(far.x, far.y);
      if (depth <= before || (outside > 0.504 && (x != 0 || y != 0 || outside <= 1.5))) continue;
      offset += vec2(x, y);
      float radius = float(hit.x >> 22) / 128.0, q = dot(offset, offset) / (radius * radius);
      if (q >= 1.0) continue;
      if (depth > end) {
        hits_.next = min(hits_.next, depth);
        continue;
      }
      hits_.first = min(hits_.first, depth);
      hits_.last = max(hits_.last, depth);
      vec2 speaks = unpackHalf2x16(hit.w);
      float a = 1.0 - q, a3 = a * a * a, by = a3 * a3 * speaks.x;
      hits_.weight += a3 * a3;
      hits_.opaque += by;
      hits_.cover += max(1.4 - 3.15 * q, 0.005 * a);
      hits_.disp += by / depth;
      hits_.sum += by * vec4(unpackColour(hit.z), speaks.y);
    }
  }
}

Hits none() { return Hits(vec4(0.0), 0.0, 0.0, 0.0, 0.0, FAR, 0.0, FAR); }

// Composites a surface behind those before it. Returns what is still free.
float close(Hits surface, float through, inout Side side) {
  float hides = min(surface.cover, 1.0), scale = surface.weight > 0.0 ? through * hides / surface.weight : 0.0;
  side.sum += scale * surface.sum;
  side.alpha += scale * surface.opaque;
  side.disp += scale * surface.disp;
  return through * (1.0 - hides * (surface.weight > 0.0 ? surface.opaque / surface.weight : 1.0));
}

// What rests, and one side's fluid (a slot; 0: none). `all` holds every hit of them.
Side walk(int fluid, Hits all) {
  Side side = Side(vec4(0.0), 0.0, 0.0);
  if (all.last <= all.first * reach) {
    close(all, 1.0, side);
    return side;
  }
  float through = 1.0, before = 0.0, z = all.first;
  for (int n = 0; n < MOST_SURFACES && z < FAR && through > 1e-3; ++n) {
    float end = z * reach;
    Hits surface = none();
    for (int slot = 0; slot < STILL_SLOTS; ++slot)
      if ((slots & 1u << slot) != 0u) add(slot, before, end, surface);
    if (fluid != 0) add(fluid, before, end, surface);
    through = close(surface, through, side);
    before = end;
    z = surface.next;
  }
  return side;
}

Hits joined(Hits a, Hits b) {
  return Hits(a.sum + b.sum, a.weight + b.weight, a.opaque + b.opaque, a.cover + b.cover, a.disp + b.disp, min(a.first, b.first),
              max(a.last, b.last), FAR);
}

// The mean of what lies around where nothing does.
vec4 filled() {
  vec4 sum = vec4(0.0);
  for (int wide = 2; wide <= 16 && sum.a == 0.0; wide *= 2)
    for (int y = -wide; y <= wide; ++y)
      for (int x = -wide; x <= wide; ++x) {
        ivec2 step = clamp(px + ivec2(x, y), ivec2(0), size - 1) - px;
        for (int slot = 0; slot < NUM_SLOTS; ++slot) {
          uvec4 hit = texelFetch(hits, placeIn(slot) + step, 0);
          if (hit.y != 0u) sum += vec4(unpackColour(hit.z), 1.0);
        }
      }
  return sum.a > 0.0 ? sum / sum.a : sum;
}

// Layer 0 alone, opaque, at one depth: most of a picture.
bool drawFront(out vec3 colour) {
  ivec2 at = placeIn(0);
  float first = FAR, last = 0.0, weight = 0.0;
  vec3 sum = vec3(0.0);
  for (int y = -1; y <= 1; ++y) {
    for (int x = -1; x <= 1; ++x) {
      uvec4 hit = texelFetch(hits, at + ivec2(x, y), 0);
      vec2 offset = vec2(uvec2(hit.x, hit.x >> 11) & 2047u) * (8.0 / 2047.0) + vec2(x - 4, y - 4);
      float radius = float(hit.x >> 22) / 128.0, q = dot(offset, offset) / (radius * radius);
      if (hit.y == 0u || q >= 1.0) continue;
      float depth = uintBitsToFloat(hit.y), a = 1.0 - q, a3 = a * a * a;
      first = min(first, depth);
      last = max(last, depth);
      weight += a3 * a3;
      sum += a3 * a3 * unpackColour(hit.z);
    }
  }
  colour = sum / weight;
  return last > 0.0 && last <= first * reach;
}

void main() {
  px = ivec2(gl_FragCoord.xy);
  slots = texelFetch(occupied, px / BLOCK, 0).r | 1u;
  vec3 front;
  if (slots == 1u && drawFront(front)) {
    frame = vec4(clamp(front, 0.0, 1.0), 1.0);
    return;
  }
  Hits still = none(), ahead = none(), back = none();
  for (int slot = 0; slot < STILL_SLOTS; ++slot)
    if ((slots & 1u << slot) != 0u) add(slot, 0.0, FAR, still);
  if ((slots & 1u << FORWARD) != 0u) add(FORWARD, 0.0, FAR, ahead);
  if ((slots & 1u << BACKWARD) != 0u) add(BACKWARD, 0.0, FAR, back);
  bool flows = ahead.last > 0.0, returns = back.last > 0.0;
  Side forward = walk(flows ? FORWARD : 0, joined(still, ahead)), backward = forward;
  bool same = !twoSided || !(flows || returns);
  if (!same) backward = walk(returns ? BACKWARD : 0, joined(still, back));
  if (max(forward.alpha, backward.alpha) < leastAlpha) {
    frame = filled();
    return;
  }
  vec2 weight = vec2(1.0, 0.0);
  if (!same) {
    float kf = sharpness * forward.disp, kb = sharpness * backward.disp, most = max(kf, kb);
    weight = vec2((1.0 - share) * forward.sum.a * exp(kf - most), share * backward.sum.a * exp(kb - most));
    weight /= max(weight.x + weight.y, max(1e-6 * exp(-most), 1e-30));
  }
  vec3 colour = weight.x * forward.sum.rgb / max(forward.alpha, leastAlpha) +
                weight.y * backward.sum.rgb / max(backward.alpha, leastAlpha);
  frame = vec4(clamp(colour, 0.0, 1.0), 1.0);
}

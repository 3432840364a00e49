// Which slots of the table, beside the first, hold anything in and around each block of pixels: the others are seldom used.
uniform usampler2D hits;
uniform ivec2 size;  // px, of the photo

layout(location = 0) out uint slots;  // a bit each

const int BORDER = 5, BLOCK = 8, NUM_SLOTS = 5;

void main() {
  ivec2 first = ivec2(gl_FragCoord.xy) * BLOCK - 1, last = min(first + BLOCK + 1, size);
  slots = 0u;
  for (int slot = 1; slot < NUM_SLOTS; ++slot) {
    ivec2 corner = ivec2(slot & 1, slot >> 1) * (size + 2 * BORDER) + BORDER;
    uint found = 0u;
    for (int y = first.y; y <= last.y; ++y)
      for (int x = first.x; x <= last.x; ++x) found |= texelFetch(hits, corner + ivec2(x, y), 0).y;
    if (found != 0u) slots |= 1u << slot;
  }
}

// Sheets of pixels as triangles between the pixels' centres: large ones where a sheet is flat, and a square for each cell in
// which it is torn, ends or is not opaque.
//
// A sheet is a plane of flags with a border of one pixel in which nothing is. A cell is the square between four centres, named
// by the first of them.
//
// A page waits for what runs here once for each pixel: no array is made there, not even to be taken apart at once.

/** A pixel is part of the sheet, is joined with the pixel to its right, with that below, and is opaque. */
export const HERE = 1;
export const RIGHT = 2;
export const BELOW = 4;
export const OPAQUE = 8;

/**
 * @typedef {{
 *   pixels: Int32Array,
 *   triangles: Uint32Array,
 *   cuts: Int32Array,
 * }} Mesh  `pixels`: each vertex is the centre of one; `triangles`: three vertices each; `cuts`: cell and corners, two each. The
 *   corners (bits: first, right, below, both) are those of one surface, which fades towards the others.
 */

/**
 * @param {Uint8Array} flags
 * @param {number} width of the sheet, with its border
 * @param {number} largest length of a triangle's side, px: a power of two
 * @param {(pixel: number, size: number) => boolean} isFlat whether a square whose quarters are flat may be two triangles
 * @returns {Mesh}
 */
export function meshOf(flags, width, largest, isFlat) {
  const height = flags.length / width;
  const whole = wholeCells(flags, width, height);
  const leaves = leavesOf(whole, width, height, largest, isFlat);
  const cuts = cutsOf(flags, whole, width, height);
  // What one side of an edge has as a vertex the other side has, too: no crack opens between them.
  const vertex = new Int32Array(flags.length).fill(-1);
  const USED = -2;
  for (let k = 0; k < leaves.length; k += 2) {
    const at = leaves[k];
    const size = leaves[k + 1];
    const lower = at + size * width;
    vertex[at] = vertex[at + size] = vertex[lower] = vertex[lower + size] = USED;
  }
  for (let k = 0; k < cuts.length; k += 2) {
    for (let corner = 0; corner < 4; ++corner)
      if (cuts[k + 1] & (1 << corner)) vertex[cuts[k] + (corner & 1) + (corner >> 1) * width] = USED;
  }
  const pixels = new Numbers(Int32Array);
  const triangles = new Numbers(Uint32Array);
  /** @param {number} pixel */
  const indexOf = (pixel) => {
    if (vertex[pixel] < 0) {
      vertex[pixel] = pixels.length;
      pixels.push(pixel);
    }
    return vertex[pixel];
  };
  /** @param {number} a @param {number} b @param {number} c */
  const add = (a, b, c) => {
    triangles.push(a);
    triangles.push(b);
    triangles.push(c);
  };
  const around = [1, width, -1, -width];
  /** @type {number[]} */
  const ring = [];
  for (let k = 0; k < leaves.length; k += 2) {
    const at = leaves[k];
    const size = leaves[k + 1];
    ring.length = 0;
    let pixel = at;
    for (const step of around) {
      for (let n = 0; n < size; ++n, pixel += step) if (n === 0 || vertex[pixel] !== -1) ring.push(indexOf(pixel));
    }
    if (ring.length === 4) {
      add(ring[0], ring[1], ring[2]);
      add(ring[0], ring[2], ring[3]);
    } else {
      const centre = indexOf(at + (size >> 1) * (width + 1));
      for (let n = 0; n < ring.length; ++n) add(centre, ring[n], ring[(n + 1) % ring.length]);
    }
  }
  return { pixels: pixels.values(), triangles: triangles.values(), cuts };
}

/**
 * The largest squares in which a sheet is whole and flat, as pixel and size, two each.
 *
 * @param {Uint8Array} whole cells
 * @param {number} width
 * @param {number} height
 * @param {number} largest
 * @param {(pixel: number, size: number) => boolean} isFlat
 */
function leavesOf(whole, width, height, largest, isFlat) {
  const levels = [whole];
  for (let size = 2; size <= largest; size *= 2) {
    const below = levels[levels.length - 1];
    const half = size >> 1;
    const joined = new Uint8Array(whole.length);
    for (let y = 0; y + size < height; y += size) {
      for (let x = 0; x + size < width; x += size) {
        const i = y * width + x;
        const lower = i + half * width;
        if (below[i] && below[i + half] && below[lower] && below[lower + half]) joined[i] = isFlat(i, size) ? 1 : 0;
      }
    }
    levels.push(joined);
  }
  const leaves = new Numbers(Int32Array);
  for (let level = levels.length - 1; level >= 0; --level) {
    const size = 1 << level;
    const own = levels[level];
    const larger = levels[level + 1];
    for (let y = 0; y < height - 1; y += size) {
      for (let x = 0; x < width - 1; x += size) {
        const i = y * width + x;
        if (!own[i] || larger?.[i - (x & size) - (y & size) * width]) continue;
        leaves.push(i);
        leaves.push(size);
      }
    }
  }
  return leaves.values();
}

/**
 * The cells that lie on one surface which is opaque and not torn.
 *
 * @param {Uint8Array} flags
 * @param {number} width
 * @param {number} height
 */
function wholeCells(flags, width, height) {
  const whole = new Uint8Array(flags.length);
  const [opaque, right, below] = [HERE | OPAQUE, HERE | OPAQUE | RIGHT, HERE | OPAQUE | BELOW];
  for (let y = 0; y < height - 1; ++y) {
    for (let i = y * width, end = i + width - 1; i < end; ++i) {
      const joined =
        (flags[i] & (right | below)) === (right | below) &&
        (flags[i + 1] & below) === below &&
        (flags[i + width] & right) === right &&
        (flags[i + width + 1] & opaque) === opaque;
      whole[i] = joined ? 1 : 0;
    }
  }
  return whole;
}

/**
 * @param {Uint8Array} flags
 * @param {Uint8Array} whole cells
 * @param {number} width
 * @param {number} height
 */
function cutsOf(flags, whole, width, height) {
  const cuts = new Numbers(Int32Array);
  for (let y = 0; y < height - 1; ++y) {
    for (let i = y * width, end = i + width - 1; i < end; ++i) {
      if (whole[i]) continue;
      const a = flags[i];
      const b = flags[i + 1];
      const c = flags[i + width];
      let left = (a & HERE) | ((b & HERE) << 1) | ((c & HERE) << 2) | ((flags[i + width + 1] & HERE) << 3);
      while (left) {
        let surface = left & -left;
        for (let turn = 0; turn < 3; ++turn) {
          if (a & RIGHT && surface & 3) surface |= 3;
          if (c & RIGHT && surface & 12) surface |= 12;
          if (a & BELOW && surface & 5) surface |= 5;
          if (b & BELOW && surface & 10) surface |= 10;
        }
        cuts.push(i);
        cuts.push(surface & left);
        left &= ~surface;
      }
    }
  }
  return cuts.values();
}

/** The corners of a square's two triangles. */
export const SQUARE = [0, 1, 2, 2, 1, 3];

/** Of the corners of a cell that lie on a surface (bits) the one that each corner is displaced with: itself, or the nearest. */
export const SOURCES = Array.from({ length: 16 }, (_, corners) =>
  [0, 1, 2, 3].map(
    (corner) => [0, 1, 2, 3].map((step) => corner ^ step).find((other) => corners & (1 << other)) ?? corner,
  ),
);

/**
 * Whether a value of a sheet's pixels follows its corners in a square, as it would on two triangles: halfway between two it is
 * their mean.
 *
 * @param {(pixel: number) => number} valueAt
 * @param {number} pixel the first corner
 * @param {number} size
 * @param {number} width of the sheet
 * @param {number} tolerance
 */
export function isLinear(valueAt, pixel, size, width, tolerance) {
  const half = size >> 1;
  const middle = pixel + half * width;
  const below = pixel + size * width;
  const a = valueAt(pixel);
  const b = valueAt(pixel + size);
  const c = valueAt(below);
  const d = valueAt(below + size);
  return (
    Math.abs(valueAt(pixel + half) - (a + b) / 2) <= tolerance &&
    Math.abs(valueAt(middle) - (a + c) / 2) <= tolerance &&
    Math.abs(valueAt(middle + half) - (a + d) / 2) <= tolerance &&
    Math.abs(valueAt(middle + half) - (b + c) / 2) <= tolerance &&
    Math.abs(valueAt(middle + size) - (b + d) / 2) <= tolerance &&
    Math.abs(valueAt(below + half) - (c + d) / 2) <= tolerance
  );
}

/** Numbers that are still being counted. */
class Numbers {
  /** @param {Int32ArrayConstructor | Uint32ArrayConstructor} type */
  constructor(type) {
    this.type = type;
    this.length = 0;
    this.kept = new type(1 << 14);
  }

  /** @param {number} number */
  push(number) {
    if (this.length === this.kept.length) {
      const longer = new this.type(2 * this.kept.length);
      longer.set(this.kept);
      this.kept = longer;
    }
    this.kept[this.length++] = number;
  }

  /** @returns {any} */
  values() {
    return this.kept.slice(0, this.length);
  }
}

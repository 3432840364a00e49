// Sheets of pixels as triangles between the pixels' centres: large ones where a sheet is flat, and a square for each cell in
// which it is torn, ends or is not opaque.
//
// A sheet is a plane of flags with a border of one pixel in which nothing is. A cell is the square between four centres, named
// by the first of them.

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
  const leaves = leavesOf(flags, width, height, largest, isFlat);
  const cuts = cutsOf(flags, width, height);
  // What one side of an edge has as a vertex the other side has, too: no crack opens between them.
  const vertex = new Int32Array(flags.length).fill(-1);
  const USED = -2;
  for (let k = 0; k < leaves.length; k += 2) {
    const [at, size] = [leaves[k], leaves[k + 1]];
    for (const corner of [at, at + size, at + size * width, at + size * width + size]) vertex[corner] = USED;
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
  /** @type {number[]} */
  const ring = [];
  for (let k = 0; k < leaves.length; k += 2) {
    const [at, size] = [leaves[k], leaves[k + 1]];
    ring.length = 0;
    let pixel = at;
    for (const step of [1, width, -1, -width]) {
      for (let n = 0; n < size; ++n, pixel += step) if (n === 0 || vertex[pixel] !== -1) ring.push(indexOf(pixel));
    }
    if (ring.length === 4) {
      triangles.push(ring[0], ring[1], ring[2], ring[0], ring[2], ring[3]);
    } else {
      const centre = indexOf(at + (size >> 1) * (width + 1));
      for (let n = 0; n < ring.length; ++n) triangles.push(centre, ring[n], ring[(n + 1) % ring.length]);
    }
  }
  return { pixels: pixels.values(), triangles: triangles.values(), cuts };
}

/**
 * The largest squares in which a sheet is whole and flat, as pixel and size, two each.
 *
 * @param {Uint8Array} flags
 * @param {number} width
 * @param {number} height
 * @param {number} largest
 * @param {(pixel: number, size: number) => boolean} isFlat
 */
function leavesOf(flags, width, height, largest, isFlat) {
  const whole = new Uint8Array(flags.length);
  for (let y = 0; y < height - 1; ++y) {
    for (let i = y * width, end = i + width - 1; i < end; ++i) whole[i] = isWhole(flags, width, i) ? 1 : 0;
  }
  const levels = [whole];
  for (let size = 2; size <= largest; size *= 2) {
    const [below, half] = [levels[levels.length - 1], size >> 1];
    const joined = new Uint8Array(flags.length);
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
  /** @param {number} i @param {number} x @param {number} y @param {number} level */
  const visit = (i, x, y, level) => {
    if (x >= width - 1 || y >= height - 1) return;
    if (levels[level][i]) {
      leaves.push(i, 1 << level);
    } else if (level > 0) {
      const half = 1 << (level - 1);
      visit(i, x, y, level - 1);
      visit(i + half, x + half, y, level - 1);
      visit(i + half * width, x, y + half, level - 1);
      visit(i + half * width + half, x + half, y + half, level - 1);
    }
  };
  for (let y = 0; y < height; y += largest) {
    for (let x = 0; x < width; x += largest) visit(y * width + x, x, y, levels.length - 1);
  }
  return leaves.values();
}

/** @param {Uint8Array} flags @param {number} width @param {number} i */
function isWhole(flags, width, i) {
  const all = HERE | OPAQUE;
  return (
    (flags[i] & (all | RIGHT | BELOW)) === (all | RIGHT | BELOW) &&
    (flags[i + 1] & (all | BELOW)) === (all | BELOW) &&
    (flags[i + width] & (all | RIGHT)) === (all | RIGHT) &&
    (flags[i + width + 1] & all) === all
  );
}

/** @param {Uint8Array} flags @param {number} width @param {number} height */
function cutsOf(flags, width, height) {
  const cuts = new Numbers(Int32Array);
  for (let y = 0; y < height - 1; ++y) {
    for (let i = y * width, end = i + width - 1; i < end; ++i) {
      const [a, b, c, d] = [flags[i], flags[i + 1], flags[i + width], flags[i + width + 1]];
      let left = (a & HERE) | ((b & HERE) << 1) | ((c & HERE) << 2) | ((d & HERE) << 3);
      if (left === 0 || isWhole(flags, width, i)) continue;
      const joins = [a & RIGHT ? 3 : 0, c & RIGHT ? 12 : 0, a & BELOW ? 5 : 0, b & BELOW ? 10 : 0];
      while (left) {
        let surface = left & -left;
        for (let turn = 0; turn < 3; ++turn) for (const pair of joins) if (pair & surface) surface |= pair;
        cuts.push(i, surface & left);
        left &= ~surface;
      }
    }
  }
  return cuts.values();
}

/** Numbers that are still being counted. */
class Numbers {
  /** @param {Int32ArrayConstructor | Uint32ArrayConstructor} type */
  constructor(type) {
    this.type = type;
    this.length = 0;
    this.kept = new type(1 << 14);
  }

  /** @param {number[]} numbers */
  push(...numbers) {
    if (this.length + numbers.length > this.kept.length) {
      const longer = new this.type(2 * this.kept.length);
      longer.set(this.kept);
      this.kept = longer;
    }
    for (const number of numbers) this.kept[this.length++] = number;
  }

  /** @returns {any} */
  values() {
    return this.kept.slice(0, this.length);
  }
}

// The motion's loop: what its two sides show at each moment (render/contrast.py, render/phase.py).

/**
 * @typedef {import("./scene.js").Header} Header
 * @typedef {{forward: number, backward: number, loopT: number, twoSided: boolean, share: number,
 *   fades: [number, number], detailed: boolean}} Moment
 */

/**
 * @param {Header} header
 * @param {number} frame any number: the loop repeats
 * @returns {Moment} by how many frames each side has drifted, and how they are blended
 */
export function momentAt(header, frame) {
  const { frames, blend } = header.loop;
  const n = frame - Math.floor(frame / frames) * frames;
  const loopT = n / frames;
  const rests = n === 0;
  const contrast = blend !== "linear" && !rests;
  const share = contrast ? loopT * loopT * (3 - 2 * loopT) : loopT;
  /** @type {[number, number]} */
  let fades = [0, 0];
  if (contrast && header.fluid) {
    const shift = (header.fluid.spread * Math.sin(Math.PI * share)) / Math.PI;
    fades = [-shift / (1 - share), shift / share];
  }
  return { forward: n, backward: frames - n, loopT, twoSided: !rests, share, fades, detailed: contrast };
}

/**
 * How much each of a point's copies counts, from as many loops behind as ahead (render/phase.py).
 *
 * @param {{reach: number, second: number, late: number}} copies
 * @param {number} share of the loop
 * @param {number} side 0 forward, 1 backward
 * @returns {number[]} their sum is 1
 */
export function copyWeights({ reach, second, late }, share, side) {
  const turned = share - (late * Math.sin(2 * Math.PI * share)) / (2 * Math.PI);
  const weights = new Array(2 * reach + 1).fill(0);
  for (let j = -reach; j < reach; ++j) {
    const lobe = Math.abs(turned + j);
    const value = lobe > 0 ? Math.sin(Math.PI * lobe) / (Math.PI * lobe) : 1;
    weights[reach + (side === 1 ? -1 - j : -j)] = value * (lobe > 1 && lobe < 2 ? second : 1);
  }
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}

/**
 * @param {import("./scene.js").GainHeader} gain
 * @param {ArrayLike<number>} levels [moments, h, w]
 * @param {number} loopT 0..1
 * @returns {Float32Array} [h, w]
 */
export function gainsAt(gain, levels, loopT) {
  const { moments, shape, unit } = gain;
  let after = 1;
  while (after < moments.length - 1 && moments[after] < loopT) ++after;
  const part = (loopT - moments[after - 1]) / (moments[after] - moments[after - 1]);
  const count = shape[1] * shape[2];
  const gains = new Float32Array(count);
  for (let i = 0; i < count; ++i) {
    const start = levels[(after - 1) * count + i];
    gains[i] = unit * (start + part * (levels[after * count + i] - start));
  }
  return gains;
}

// Where the camera is: on its path, or where a hand holds it.

/** @typedef {import("./scene.js").Header} Header */

const GLIDE_S = 0.35; // time in which a distance falls to 1/e
const HOLD_S = 1.6; // after the last touch until the camera glides back
const PULL_PX_SHARE = 0.5; // of the shown width: a drag of this length goes all the way
const TILT_DEG = 18; // all the way

/**
 * The pose of a camera at `centre` that sees the point `focus` in the same direction as from the origin (camera.py).
 *
 * @param {number[]} focus
 * @param {number[]} centre
 * @returns {number[]} world_to_cam, 3 rows of 4
 */
export function poseThatKeeps(focus, centre) {
  const from = facing(focus);
  const to = facing(focus.map((value, k) => value - centre[k]));
  const pose = [];
  for (let row = 0; row < 3; ++row) {
    const turn = [0, 1, 2].map((column) =>
      dot([from[0][row], from[1][row], from[2][row]], [to[0][column], to[1][column], to[2][column]]),
    );
    pose.push(...turn, -dot(turn, centre));
  }
  return pose;
}

/** @param {number[]} direction @returns {number[][]} rows right, down, forward of an upright camera */
function facing(direction) {
  const forward = unit(direction);
  const right = unit(cross([0, 1, 0], forward));
  return [right, cross(forward, right), forward];
}

/** @param {number[]} a @param {number[]} b */
const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
/** @param {number[]} a @param {number[]} b */
const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
/** @param {number[]} a */
const unit = (a) => a.map((value) => value / Math.hypot(...a));

/** @param {number[]} a @param {number[]} b rigid motions, 3 rows of 4 @returns {number[]} b, then a */
function after(a, b) {
  const product = [];
  for (let row = 0; row < 3; ++row) {
    for (let column = 0; column < 4; ++column) {
      const sum = [0, 1, 2].reduce((total, k) => total + a[4 * row + k] * b[4 * k + column], 0);
      product.push(sum + (column === 3 ? a[4 * row + 3] : 0));
    }
  }
  return product;
}

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b @param {number} share of b */
const between = (a, b, share) => Array.from(a, (value, k) => value + share * (b[k] - value));

const REST = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];

export class Camera {
  /** @param {Header} header */
  constructor(header) {
    this.header = header;
    /** How far the path goes, 0 to 1 of what was exported. */
    this.amplitude = 1;
    /** Where a hand wants the camera, and where it is: -1 to 1 of the reach along x and y. */
    this.wanted = [0, 0];
    this.hand = [0, 0];
    this.held = 0; // how much the hand has taken over, 0 to 1
    this.holds = false;
    this.idleS = Infinity;
  }

  /** @param {number} dx px @param {number} dy px @param {number} width px, shown */
  drag(dx, dy, width) {
    const scale = 1 / (PULL_PX_SHARE * width);
    this.moveTo(this.wanted[0] - dx * scale, this.wanted[1] - dy * scale);
  }

  /** @param {number} dx degrees to the right @param {number} dy degrees down */
  tilt(dx, dy) {
    this.moveTo(dx / TILT_DEG, dy / TILT_DEG);
  }

  /** @param {number} x @param {number} y -1 to 1 */
  moveTo(x, y) {
    const most = Math.max(Math.hypot(x, y), 1);
    this.wanted = [x / most, y / most];
    this.idleS = 0;
  }

  /** @param {number} seconds since the last step @returns {boolean} whether the view changes by itself */
  step(seconds) {
    this.idleS += this.holds ? 0 : seconds;
    const active = this.holds || this.idleS < HOLD_S;
    if (!active) this.wanted = [0, 0];
    const share = 1 - Math.exp(-seconds / GLIDE_S);
    this.hand = between(this.hand, this.wanted, share);
    this.held += ((active ? 1 : 0) - this.held) * share;
    return active || this.held > 1e-3;
  }

  /**
   * @param {number} frame of the path, any number
   * @returns {{pose: number[], zoom: number}}
   */
  viewAt(frame) {
    const { poses, zooms } = this.header.path;
    const n = frame - Math.floor(frame / poses.length) * poses.length;
    const first = Math.floor(n);
    const next = (first + 1) % poses.length;
    const onPath = between(poses[first], poses[next], n - first);
    const share = this.amplitude * (1 - this.held);
    const pose = share === 1 ? onPath : between(REST, onPath, share);
    const zoom = 1 + share * (zooms[first] + (n - first) * (zooms[next] - zooms[first]) - 1);
    if (this.held === 0) return { pose, zoom };
    const centre = [this.hand[0] * this.header.reach[0], this.hand[1] * this.header.reach[1], 0];
    return { pose: after(pose, poseThatKeeps(this.header.focus, centre)), zoom };
  }
}

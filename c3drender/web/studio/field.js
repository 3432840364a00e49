// The flow's field, and streaks that run along it over the photo.

const MAGIC = "c3dflow1";
const STREAKS = 900;
const LIFE_S = [0.7, 1.6];
const FRAMES_PER_S = 25; // how fast the loop plays
const LEAST_STEP = 0.02; // px of the photo per frame: what is slower rests
const POINTS = 7; // of a streak's tail
const TAIL_S = 0.32;

/** @typedef {{width: number, height: number, steps: Int16Array, unit: number}} Field */
/** @typedef {{x: number, y: number, age: number, life: number}} Streak */

/** @param {ArrayBuffer} file @returns {Field} steps are px of the photo per frame, times the unit */
export function readField(file) {
  const magic = new TextDecoder().decode(new Uint8Array(file, 0, 8));
  if (magic !== MAGIC) throw new Error("flow: expected a field of this version, got another file");
  const head = new DataView(file);
  const [width, height] = [head.getUint32(8, true), head.getUint32(12, true)];
  return { width, height, unit: head.getFloat32(16, true), steps: new Int16Array(file.slice(20)) };
}

export class Streaks {
  constructor() {
    /** @type {Field | null} */
    this.field = null;
    /** @type {Streak[]} */
    this.streaks = [];
    /** @type {number[]} cells in which something flows */
    this.cells = [];
    this.photo = { width: 1, height: 1 };
  }

  /** @param {Field} field @param {{width: number, height: number}} photo */
  show(field, photo) {
    this.field = field;
    this.photo = photo;
    this.cells = [];
    for (let n = 0; n < field.width * field.height; ++n) {
      if (Math.hypot(field.steps[2 * n], field.steps[2 * n + 1]) * field.unit > LEAST_STEP) this.cells.push(n);
    }
    const share = this.cells.length / (field.width * field.height);
    const count = this.cells.length ? Math.ceil(Math.min(STREAKS, 80 + 2 * STREAKS * share)) : 0;
    this.streaks = Array.from({ length: count }, () => this.born(Math.random()));
  }

  get moves() {
    return this.streaks.length > 0;
  }

  /** @param {number} share of its life that is over @returns {Streak} */
  born(share) {
    const { width, height } = /** @type {Field} */ (this.field);
    const cell = this.cells[Math.floor(Math.random() * this.cells.length)];
    const life = LIFE_S[0] + Math.random() * (LIFE_S[1] - LIFE_S[0]);
    return {
      x: (((cell % width) + Math.random()) / width) * this.photo.width,
      y: ((Math.floor(cell / width) + Math.random()) / height) * this.photo.height,
      age: share * life,
      life,
    };
  }

  /** @param {number} x @param {number} y px of the photo @returns {[number, number]} px of the photo per second */
  at(x, y) {
    const field = /** @type {Field} */ (this.field);
    const column = Math.floor((x / this.photo.width) * field.width);
    const row = Math.floor((y / this.photo.height) * field.height);
    if (column < 0 || row < 0 || column >= field.width || row >= field.height) return [0, 0];
    const n = 2 * (row * field.width + column);
    const scale = field.unit * FRAMES_PER_S;
    return [field.steps[n] * scale, field.steps[n + 1] * scale];
  }

  /**
   * @param {CanvasRenderingContext2D} context in px of the photo
   * @param {number} seconds since the last time
   * @param {number} pixel of the screen, in px of the photo
   */
  draw(context, seconds, pixel) {
    context.lineWidth = 1.5 * pixel;
    context.lineCap = "round";
    for (let n = 0; n < this.streaks.length; ++n) {
      let streak = this.streaks[n];
      const [dx, dy] = this.at(streak.x, streak.y);
      streak.x += dx * seconds;
      streak.y += dy * seconds;
      streak.age += seconds;
      if (streak.age >= streak.life || (dx === 0 && dy === 0)) streak = this.streaks[n] = this.born(0);
      const strength = Math.sin((Math.PI * streak.age) / streak.life);
      context.strokeStyle = `rgb(255 255 255 / ${(0.85 * strength).toFixed(3)})`;
      context.beginPath();
      let [x, y] = [streak.x, streak.y];
      context.moveTo(x, y);
      for (let k = 0; k < POINTS; ++k) {
        const [vx, vy] = this.at(x, y);
        x -= (vx * TAIL_S) / POINTS;
        y -= (vy * TAIL_S) / POINTS;
        context.lineTo(x, y);
      }
      context.stroke();
    }
  }
}

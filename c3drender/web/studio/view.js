// The canvas: the photo, and over it regions, flow, depth, arrows and what is being drawn. Zoom and place are kept here.

import { readField, Streaks } from "./field.js";

/** @typedef {import("./api.js").Point} Point */
/** @typedef {import("./state.js").State} State */
/**
 * What a tool is drawing just now, px of the photo.
 *
 * @typedef {{line?: Point[], widthPx?: number, outlines?: Point[][], arrow?: [Point, Point], erase?: boolean,
 *   color?: string, until?: string}} Draft  `until`: the picture of the server's in which it is seen then, regions.png or another
 */

const MOST_ZOOM = 16;
const EDGE_PX = 28; // around the photo, where it fits
const TINT = { active: 0.42, other: 0.3 };
const ARROW_HEAD_PX = 13;

/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

export class View {
  /** @param {HTMLCanvasElement} canvas @param {State} state */
  constructor(canvas, state) {
    this.canvas = canvas;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    this.state = state;
    /** @type {ImageBitmap | null} */
    this.photo = null;
    this.size = { width: 1, height: 1 };
    /** @type {ImageData | null} the server's picture of the regions */
    this.numbers = null;
    this.tint = document.createElement("canvas");
    /** @type {ImageBitmap | null} */
    this.depth = null;
    this.streaks = new Streaks();
    this.shows = { regions: true, flow: true, depth: false };
    this.zoom = 1; // px of the screen (CSS) per px of the photo
    this.corner = { x: 0, y: 0 }; // of the photo, on the canvas
    this.fits = true;
    /** @type {Draft | null} */
    this.draft = null;
    /** @type {{draft: Draft, revision: number}[]} what was drawn, until the server's pictures show it */
    this.pending = [];
    /** @type {Record<string, number>} of each picture, the revision that it shows */
    this.arrived = {};
    /** @type {(() => void)[]} who waits until nothing is pending */
    this.waiting = [];
    /** @type {Point | null} */
    this.pointer = null;
    /** @type {number | null} */
    this.brushPx = null;
    this.last = 0;
    this.request = 0;
    this.stillness = matchMedia("(prefers-reduced-motion: reduce)");
    new ResizeObserver(() => this.resized()).observe(canvas);
    state.addEventListener("change", () => this.recolour());
  }

  /** @param {ImageBitmap} photo @param {{width: number, height: number}} size */
  open(photo, size) {
    this.photo = photo;
    this.size = size;
    this.numbers = this.depth = null;
    this.streaks = new Streaks();
    this.pending = [];
    this.arrived = {};
    this.waiting = []; // what was begun on another photo is not done on this one
    this.fit();
  }

  /** @param {ArrayBuffer} file */
  showField(file) {
    this.streaks.show(readField(file), this.size);
    this.paint();
  }

  /**
   * Keeps what was drawn on the canvas until the server's pictures show it.
   *
   * @param {Draft} draft
   * @param {Promise<number>} sent resolves to the revision that it made, 0 if it was refused
   */
  async keep(draft, sent) {
    const kept = { draft, revision: Infinity };
    this.pending.push(kept);
    this.paint();
    kept.revision = await sent;
    this.dismiss();
  }

  /** A picture has come. @param {string} name @param {number} revision that it shows */
  arrive(name, revision) {
    this.arrived[name] = revision;
    this.dismiss();
  }

  /** Drops what the pictures show, and what was refused. */
  dismiss() {
    this.pending = this.pending.filter(
      ({ draft, revision }) => revision > (this.arrived[draft.until ?? "regions.png"] ?? 0),
    );
    if (!this.pending.length) for (const go of this.waiting.splice(0)) go();
    this.paint();
  }

  /** No picture comes of what was drawn. */
  giveUp() {
    this.pending = [];
    this.dismiss();
  }

  /** Until all that was drawn is in the server's pictures. */
  async settled() {
    if (this.pending.length) await new Promise((resolve) => this.waiting.push(() => resolve(undefined)));
  }

  /** @param {Blob} file */
  async showRegions(file) {
    const picture = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
    const sheet = new OffscreenCanvas(picture.width, picture.height);
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
      sheet.getContext("2d", { willReadFrequently: true })
    );
    context.drawImage(picture, 0, 0);
    this.numbers = context.getImageData(0, 0, picture.width, picture.height);
    this.recolour();
  }

  /** @param {Blob} file */
  async showDepth(file) {
    this.depth = await createImageBitmap(file);
    this.paint();
  }

  /** Regions in their colours; the active one has an edge. */
  recolour() {
    const { numbers, state, tint } = this;
    if (numbers) {
      const { width, height, data } = numbers;
      [tint.width, tint.height] = [width, height];
      const context = /** @type {CanvasRenderingContext2D} */ (tint.getContext("2d"));
      const picture = context.createImageData(width, height);
      const looks = state.regions.map((region) => ({
        rgb: rgbOf(colour(region.kind)),
        isActive: region.id === state.active,
      }));
      for (let n = 0; n < width * height; ++n) {
        const look = looks[data[4 * n] - 1];
        if (!look) continue;
        const share = data[4 * n + 1] / 255;
        const inside = share > 0.5;
        const isEdge =
          look.isActive && inside && [1, -1, width, -width].some((step) => (data[4 * (n + step) + 1] ?? 255) <= 127);
        picture.data.set(look.rgb, 4 * n);
        picture.data[4 * n + 3] = isEdge ? 255 : 255 * share * (look.isActive ? TINT.active : TINT.other);
      }
      context.putImageData(picture, 0, 0);
    }
    this.paint();
  }

  /** @param {Point} at px of the photo @returns {string | null} the region there */
  regionAt([x, y]) {
    const { numbers, size, state } = this;
    if (!numbers || x < 0 || y < 0 || x >= size.width || y >= size.height) return null;
    const column = Math.floor((x / size.width) * numbers.width);
    const row = Math.floor((y / size.height) * numbers.height);
    const n = 4 * (row * numbers.width + column);
    return numbers.data[n + 1] > 60 ? (state.regions[numbers.data[n] - 1]?.id ?? null) : null;
  }

  fit() {
    const { clientWidth: width, clientHeight: height } = this.canvas;
    const zoom = Math.min((width - 2 * EDGE_PX) / this.size.width, (height - 2 * EDGE_PX) / this.size.height);
    this.zoom = Math.max(zoom, 0.01);
    this.corner = {
      x: (width - this.size.width * this.zoom) / 2,
      y: (height - this.size.height * this.zoom) / 2,
    };
    this.fits = true;
    this.paint();
  }

  /** @param {number} factor @param {number} x @param {number} y px of the canvas, which stay in place */
  zoomAt(factor, x, y) {
    const least =
      0.5 * Math.min(this.canvas.clientWidth / this.size.width, this.canvas.clientHeight / this.size.height);
    const zoom = Math.min(Math.max(this.zoom * factor, least), MOST_ZOOM);
    this.corner.x = x - ((x - this.corner.x) * zoom) / this.zoom;
    this.corner.y = y - ((y - this.corner.y) * zoom) / this.zoom;
    this.zoom = zoom;
    this.fits = false;
    this.paint();
  }

  /** @param {number} dx @param {number} dy */
  move(dx, dy) {
    this.corner.x += dx;
    this.corner.y += dy;
    this.fits = false;
    this.paint();
  }

  /** @param {{offsetX: number, offsetY: number}} event @returns {Point} px of the photo */
  placeOf({ offsetX, offsetY }) {
    return [(offsetX - this.corner.x) / this.zoom, (offsetY - this.corner.y) / this.zoom];
  }

  resized() {
    const ratio = window.devicePixelRatio;
    this.canvas.width = Math.round(this.canvas.clientWidth * ratio);
    this.canvas.height = Math.round(this.canvas.clientHeight * ratio);
    if (this.fits) this.fit();
    else this.paint();
  }

  /** Asks for a frame. */
  paint() {
    this.request ||= requestAnimationFrame((now) => this.tick(now));
  }

  /** @param {number} now ms */
  tick(now) {
    this.request = 0;
    const seconds = this.last ? Math.min((now - this.last) / 1000, 0.1) : 0;
    this.last = now;
    const { context, zoom, corner, photo, size } = this;
    const ratio = window.devicePixelRatio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (!photo || !this.canvas.clientWidth) return;
    context.setTransform(ratio * zoom, 0, 0, ratio * zoom, ratio * corner.x, ratio * corner.y);
    context.imageSmoothingEnabled = zoom < 4;
    context.drawImage(photo, 0, 0, size.width, size.height);
    context.save();
    context.beginPath();
    context.rect(0, 0, size.width, size.height);
    context.clip();
    this.paintMaps(seconds);
    context.restore();
    for (const arrow of this.state.arrows) this.paintArrow(arrow.start, arrow.end);
    const { focus } = this.state.document?.settings ?? {};
    if (focus) this.paintFocus(focus);
    if (this.draft?.arrow) this.paintArrow(...this.draft.arrow);
    this.paintBrush();
    const runs = this.shows.flow && this.streaks.moves && !this.stillness.matches;
    if (runs && !document.hidden && this.canvas.offsetParent) this.paint();
    else this.last = 0;
  }

  /** @param {number} seconds */
  paintMaps(seconds) {
    const { context, size, shows } = this;
    if (shows.depth && this.depth) {
      context.globalAlpha = 0.85;
      context.drawImage(this.depth, 0, 0, size.width, size.height);
      context.globalAlpha = 1;
    }
    context.imageSmoothingEnabled = true;
    if (shows.regions && this.numbers) context.drawImage(this.tint, 0, 0, size.width, size.height);
    for (const { draft } of this.pending) this.paintDraft(draft);
    if (this.draft) this.paintDraft(this.draft);
    if (shows.flow) this.streaks.draw(context, seconds, 1 / this.zoom);
  }

  /** @param {Draft} draft */
  paintDraft(draft) {
    const { context, zoom } = this;
    const ink = draft.erase ? "#000" : (draft.color ?? colour(this.state.activeRegion?.kind ?? this.state.kind));
    context.save();
    context.strokeStyle = context.fillStyle = ink;
    context.globalAlpha = 0.45;
    if (draft.line) {
      context.lineWidth = draft.widthPx ?? 1;
      context.lineCap = context.lineJoin = "round";
      context.beginPath();
      const [[x, y], ...rest] = draft.line;
      context.moveTo(x, y);
      context.lineTo(x + 0.01, y);
      for (const point of rest) context.lineTo(...point);
      context.stroke();
    }
    if (draft.outlines) {
      const way = new Path2D();
      for (const [first, ...rest] of draft.outlines) {
        way.moveTo(...first);
        for (const point of rest) way.lineTo(...point);
        way.closePath();
      }
      context.fill(way, "evenodd");
      context.globalAlpha = 1;
      context.lineWidth = 1.5 / zoom;
      context.strokeStyle = "#fff";
      context.stroke(way);
    }
    context.restore();
  }

  /** @param {Point} start @param {Point} end */
  paintArrow(start, end) {
    const { context, zoom } = this;
    const length = Math.hypot(end[0] - start[0], end[1] - start[1]) * zoom;
    context.save();
    context.lineCap = context.lineJoin = "round";
    const way = new Path2D();
    if (length < 1) {
      way.arc(start[0], start[1], 7 / zoom, 0, 2 * Math.PI);
      way.moveTo(start[0] - 3 / zoom, start[1]);
      way.lineTo(start[0] + 3 / zoom, start[1]);
    } else {
      const turn = Math.atan2(end[1] - start[1], end[0] - start[0]);
      const head = Math.min(ARROW_HEAD_PX, 0.6 * length) / zoom;
      way.moveTo(...start);
      way.lineTo(...end);
      for (const side of [-0.5, 0.5]) {
        way.moveTo(...end);
        way.lineTo(end[0] - head * Math.cos(turn + side), end[1] - head * Math.sin(turn + side));
      }
      way.moveTo(start[0] + 3 / zoom, start[1]);
      way.arc(start[0], start[1], 3 / zoom, 0, 2 * Math.PI);
    }
    for (const [ink, width] of /** @type {[string, number][]} */ ([
      ["#10161c", 6],
      [length < 1 ? "#ffb3aa" : "#ffd84d", 3],
    ])) {
      context.strokeStyle = ink;
      context.lineWidth = width / zoom;
      context.stroke(way);
    }
    context.restore();
  }

  /** @param {Point} focus */
  paintFocus([x, y]) {
    const { context, zoom } = this;
    for (const [ink, width] of /** @type {[string, number][]} */ ([
      ["#10161c", 5],
      ["#fff", 2],
    ])) {
      context.strokeStyle = ink;
      context.lineWidth = width / zoom;
      context.beginPath();
      context.arc(x, y, 11 / zoom, 0, 2 * Math.PI);
      for (const [dx, dy] of [
        [1, 0],
        [-1, 0],
        [0, 1],
        [0, -1],
      ]) {
        context.moveTo(x + (7 * dx) / zoom, y + (7 * dy) / zoom);
        context.lineTo(x + (17 * dx) / zoom, y + (17 * dy) / zoom);
      }
      context.stroke();
    }
  }

  paintBrush() {
    const { context, zoom, pointer, brushPx, state } = this;
    if (!pointer || brushPx === null) return;
    context.lineWidth = 1.2 / zoom;
    for (const [ink, radius] of /** @type {[string, number][]} */ ([
      ["#000a", brushPx / 2 + 1],
      ["#fff", brushPx / 2],
      ["#fff8", (brushPx / 2) * (1 - state.feather)],
    ])) {
      if (radius <= 0) continue;
      context.strokeStyle = ink;
      context.beginPath();
      context.arc(pointer[0], pointer[1], radius / zoom, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}

/** @param {string} hex "#rrggbb" */
function rgbOf(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

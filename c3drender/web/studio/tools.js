// The tools: what a pointer's way over the photo means. Each ends in edits, which are one step of the history.

import { KINDS, newName } from "./state.js";

/** @typedef {import("./api.js").Edit} Edit */
/** @typedef {import("./api.js").Point} Point */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./view.js").View} View */
/** @typedef {{commit: (step: Edit[]) => Promise<number>, pick: (at: Point, reach: number) => Promise<Point[][]>,
 *   say: (text: string) => void}} Server */
/** @typedef {{title: string, key: string, icon: string, group: string, hint: string, uses: string[]}} Tool */

/** @type {Record<string, Tool>} */
export const TOOLS = {
  take: {
    title: "Take",
    key: "W",
    icon: "take",
    group: "Motion",
    hint: "Click what should move: the stream, the sky. Alt-click takes away.",
    uses: ["kind", "reach", "away"],
  },
  brush: {
    title: "Brush",
    key: "B",
    icon: "brush",
    group: "Motion",
    hint: "Paint over what should move. [ and ] change the size, Alt erases.",
    uses: ["kind", "size", "feather"],
  },
  eraser: {
    title: "Eraser",
    key: "E",
    icon: "eraser",
    group: "Motion",
    hint: "Rub out what should not move.",
    uses: ["size", "feather"],
  },
  lasso: {
    title: "Lasso",
    key: "L",
    icon: "lasso",
    group: "Motion",
    hint: "Draw around it, or click its corners and double-click. Alt takes away.",
    uses: ["kind", "away"],
  },
  arrow: {
    title: "Arrow",
    key: "A",
    icon: "arrow",
    group: "Motion",
    hint: "Drag along the flow; longer is faster. Drag an end to change an arrow, press Delete to remove it.",
    uses: [],
  },
  pin: {
    title: "Pin",
    key: "P",
    icon: "pin",
    group: "Motion",
    hint: "Click where the flow should hold still. Click a pin to remove it.",
    uses: [],
  },
  near: {
    title: "Depth",
    key: "D",
    icon: "near",
    group: "Depth",
    hint: "Paint nearer; Alt paints farther. Warm is near.",
    uses: ["direction", "size", "feather", "amount"],
  },
  order: {
    title: "In front",
    key: "N",
    icon: "order",
    group: "Depth",
    hint: "Click what is nearer, then what lies behind it.",
    uses: ["reach"],
  },
  surface: {
    title: "Flatten",
    key: "F",
    icon: "surface",
    group: "Depth",
    hint: "Click a surface: it becomes a plane as it lies, or stands upright.",
    uses: ["shape", "reach"],
  },
  focus: {
    title: "Focus",
    key: "C",
    icon: "focus",
    group: "View",
    hint: "Click what the camera should turn about.",
    uses: [],
  },
  hand: {
    title: "Move",
    key: "H",
    icon: "hand",
    group: "View",
    hint: "Drag the photo; the wheel or two fingers zoom.",
    uses: [],
  },
};

const LEAST_ARROW_PX = 6; // of the screen: shorter is a click
const GRIP_PX = 12;
const LEAST_STEP_PX = 2; // between the points of a stroke
const CLOSE_PX = 12; // to a lasso's first corner
const AREA_FEATHER_PX = 1.5; // of the photo's 1000 px
const WHEEL = 0.0015;

export class Tools {
  /** @param {View} view @param {State} state @param {Server} server */
  constructor(view, state, server) {
    this.view = view;
    this.state = state;
    this.server = server;
    /** @type {Map<number, {x: number, y: number}>} fingers and other pointers that are down */
    this.down = new Map();
    /** @type {((at: Point, event: PointerEvent) => void) | null} */
    this.drag = null;
    /** @type {((at: Point, event: PointerEvent) => void) | null} */
    this.drop = null;
    /** @type {Point[]} a lasso's corners */
    this.corners = [];
    /** @type {Point[][] | null} what is nearer, until what lies behind it is clicked */
    this.nearer = null;
    /** @type {string | null} */
    this.selected = null;
    this.listen();
  }

  listen() {
    const { canvas } = this.view;
    canvas.addEventListener("pointerdown", (event) => this.pressed(event));
    canvas.addEventListener("pointermove", (event) => this.moved(event));
    canvas.addEventListener("pointerup", (event) => this.released(event));
    canvas.addEventListener("pointercancel", (event) => this.cancelled(event));
    canvas.addEventListener("pointerleave", () => {
      this.view.pointer = null;
      this.view.paint();
    });
    canvas.addEventListener("dblclick", () => this.closeLasso());
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        if (event.shiftKey) this.view.move(-event.deltaY - event.deltaX, 0);
        else this.view.zoomAt(Math.exp(-WHEEL * event.deltaY), event.offsetX, event.offsetY);
      },
      { passive: false },
    );
    this.state.addEventListener("change", () => this.chosen());
  }

  /** A tool was chosen: what another had begun is dropped. */
  chosen() {
    const { tool, sizePx } = this.state;
    this.view.brushPx = TOOLS[tool].uses.includes("size") ? sizePx : null;
    if (tool !== "lasso") this.corners = [];
    if (tool !== "order") this.nearer = null;
    if (!this.corners.length && !this.nearer && !this.drag) this.view.draft = null;
    this.view.canvas.style.cursor = tool === "hand" ? "grab" : this.view.brushPx ? "none" : "crosshair";
    this.view.paint();
  }

  /** @param {PointerEvent} event */
  pressed(event) {
    const { view, state } = this;
    view.canvas.setPointerCapture(event.pointerId);
    this.down.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    if (this.down.size > 1) {
      this.abandon();
      return;
    }
    if (!state.document) return;
    if (event.button === 1 || state.tool === "hand") {
      let { offsetX, offsetY } = event;
      this.drag = (_, next) => {
        view.move(next.offsetX - offsetX, next.offsetY - offsetY);
        ({ offsetX, offsetY } = next);
      };
      return;
    }
    if (event.button !== 0) return;
    const at = view.placeOf(event);
    /** @type {Record<string, (at: Point, event: PointerEvent) => void>} */
    const begin = {
      brush: (place, by) => this.beginStroke(place, by.altKey),
      eraser: (place) => this.beginStroke(place, true),
      near: (place, by) => this.beginDepth(place, by.altKey !== state.farther),
      lasso: (place, by) => this.beginLasso(place, by.altKey !== state.takesAway),
      arrow: (place) => this.beginArrow(place),
      take: (place, by) => void this.take(place, by.altKey !== state.takesAway),
      pin: (place) => void this.pin(place),
      order: (place) => void this.order(place),
      surface: (place) => void this.flatten(place),
      focus: (place) => void this.focus(place),
    };
    begin[state.tool](at, event);
  }

  /** @param {PointerEvent} event */
  moved(event) {
    const { view, down } = this;
    const before = down.get(event.pointerId);
    if (before && down.size === 2) {
      const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
      const was = Math.hypot(before.x - other.x, before.y - other.y);
      const is = Math.hypot(event.offsetX - other.x, event.offsetY - other.y);
      view.move((event.offsetX - before.x) / 2, (event.offsetY - before.y) / 2);
      view.zoomAt(is / Math.max(was, 1), (event.offsetX + other.x) / 2, (event.offsetY + other.y) / 2);
    }
    if (before) down.set(event.pointerId, { x: event.offsetX, y: event.offsetY });
    view.pointer = view.placeOf(event);
    for (const step of event.getCoalescedEvents?.() ?? [event]) this.drag?.(view.placeOf(step), step);
    if (this.state.tool === "lasso" && this.corners.length && !this.drag && view.draft) {
      view.draft = { outlines: [[...this.corners, view.pointer]] };
    }
    view.paint();
  }

  /** @param {PointerEvent} event */
  released(event) {
    this.down.delete(event.pointerId);
    const drop = this.drop;
    this.drag = this.drop = null;
    drop?.(this.view.placeOf(event), event);
  }

  /** @param {PointerEvent} event */
  cancelled(event) {
    this.down.delete(event.pointerId);
    this.abandon();
  }

  /** Drops what is being drawn. */
  abandon() {
    this.drag = this.drop = this.nearer = null;
    this.corners = [];
    this.view.draft = null;
    this.view.paint();
  }

  /** @param {Point} at @returns {Edit[]} what makes the region that is drawn in, where there is none yet, and `activates` it */
  regionFor(at) {
    const { state } = this;
    const active = state.activeRegion;
    if (active && active.kind === state.kind) return [];
    const other = state.regions.find((region) => region.kind === state.kind);
    if (other) {
      state.set({ active: other.id });
      return [];
    }
    const id = newName(state.kind);
    state.active = id;
    return [{ do: "region", region: id, kind: state.kind, title: KINDS[state.kind].title }];
  }

  /** @param {Point} at @param {boolean} erase */
  eraseOr(at, erase) {
    const { state, view } = this;
    if (!erase) return this.regionFor(at);
    const there = view.regionAt(at);
    if (there) state.set({ active: there });
    return [];
  }

  /** @param {Point} at @param {boolean} erase */
  beginStroke(at, erase) {
    const { view, state } = this;
    const first = this.eraseOr(at, erase);
    this.beginLine(at, { erase }, (points) => [
      ...first,
      {
        do: "stroke",
        region: state.active,
        points,
        radius_px: state.sizePx / 2 / view.zoom,
        feather: state.feather,
        erase,
      },
    ]);
  }

  /** @param {Point} at @param {boolean} farther */
  beginDepth(at, farther) {
    const { view, state } = this;
    this.beginLine(at, { color: farther ? "#4060ff" : "#ffb030", until: "depth.jpg" }, (points) => [
      {
        do: "depth-stroke",
        points,
        radius_px: state.sizePx / 2 / view.zoom,
        feather: Math.max(state.feather, 0.1),
        by: farther ? -state.depthBy : state.depthBy,
      },
    ]);
  }

  /** @param {Point} at @param {import("./view.js").Draft} look @param {(points: Point[]) => Edit[]} step */
  beginLine(at, look, step) {
    const { view, state } = this;
    const points = [at];
    const widthPx = (state.sizePx / view.zoom) * (1 - state.feather / 2);
    const draft = (view.draft = { ...look, line: points, widthPx });
    this.drag = (place) => {
      const [x, y] = points[points.length - 1];
      if (Math.hypot(place[0] - x, place[1] - y) * view.zoom >= LEAST_STEP_PX) points.push(place);
      view.paint();
    };
    this.drop = () => void this.commit(step(points), draft);
    view.paint();
  }

  /** @param {Point} at @param {boolean} erase */
  beginLasso(at, erase) {
    const { view } = this;
    const [first] = this.corners;
    if (first && Math.hypot(at[0] - first[0], at[1] - first[1]) * view.zoom < CLOSE_PX) {
      this.closeLasso(erase);
      return;
    }
    const before = this.corners.length;
    this.corners.push(at);
    this.drag = (place) => {
      const [x, y] = this.corners[this.corners.length - 1];
      if (Math.hypot(place[0] - x, place[1] - y) * view.zoom >= 2 * LEAST_STEP_PX) this.corners.push(place);
      view.draft = { outlines: [this.corners], erase };
      view.paint();
    };
    this.drop = () => {
      view.draft = { outlines: [this.corners], erase };
      if (before === 0 && this.corners.length > 8) this.closeLasso(erase);
      view.paint();
    };
  }

  closeLasso(erase = this.state.takesAway) {
    const corners = this.corners;
    this.corners = [];
    this.view.draft = null;
    if (this.state.tool !== "lasso" || corners.length < 3) return;
    void this.fill([corners], corners[0], erase);
  }

  /** @param {Point[][]} outlines @param {Point} at @param {boolean} erase */
  async fill(outlines, at, erase) {
    const { state, view } = this;
    if (!outlines.length) return;
    const feather_px = (AREA_FEATHER_PX * Math.max(view.size.width, view.size.height)) / 1000;
    const first = this.eraseOr(at, erase);
    await this.commit([...first, { do: "area", region: state.active, outlines, feather_px, erase }], {
      outlines,
      erase,
    });
  }

  /** @param {Point} at @param {boolean} erase */
  async take(at, erase) {
    const outlines = await this.pick(at);
    if (outlines) await this.fill(outlines, at, erase);
  }

  /** @param {Point} at */
  async pick(at) {
    const { view } = this;
    if (at[0] < 0 || at[1] < 0 || at[0] >= view.size.width || at[1] >= view.size.height) return null;
    view.canvas.style.cursor = "progress";
    try {
      return await this.server.pick(at, this.state.reach);
    } finally {
      this.chosen();
    }
  }

  /** @param {Point} at */
  beginArrow(at) {
    const { view, state } = this;
    const near = (/** @type {Point} */ [x, y]) => Math.hypot(at[0] - x, at[1] - y) * view.zoom < GRIP_PX;
    const held = state.arrows.find((arrow) => near(arrow.end) || near(arrow.start));
    const byEnd = held && near(held.end);
    const fixed = held ? (byEnd ? held.start : held.end) : at;
    const arrow = held?.id ?? newName("arrow");
    this.selected = arrow;
    const between = (/** @type {Point} */ place) =>
      /** @type {[Point, Point]} */ (held && !byEnd ? [place, fixed] : [fixed, place]);
    this.drag = (place) => {
      view.draft = { arrow: between(place) };
      view.paint();
    };
    this.drop = (place) => {
      const [start, end] = between(place);
      view.draft = null;
      if (Math.hypot(end[0] - start[0], end[1] - start[1]) * view.zoom < LEAST_ARROW_PX) {
        view.paint();
        return;
      }
      void this.commitArrow({ do: "arrow", arrow, start, end });
    };
  }

  /** An arrow where nothing moves takes what is there along. @param {Edit} edit */
  async commitArrow(edit) {
    const { view, server, state } = this;
    await view.settled(); // a stroke just before it has made a region there
    if (view.regionAt(edit.start)) {
      await this.commit([edit], { arrow: [edit.start, edit.end] });
      return;
    }
    const outlines = await server.pick(edit.start, state.reach);
    const id = newName("flows");
    const step = [
      { do: "region", region: id, kind: "flows", title: KINDS.flows.title },
      { do: "area", region: id, outlines },
      edit,
    ];
    state.active = id;
    await this.commit(outlines.length ? step : [edit], { outlines, arrow: [edit.start, edit.end] });
  }

  /** @param {Point} at */
  async pin(at) {
    const { view, state } = this;
    const held = state.arrows.find(
      ({ start, end }) =>
        start[0] === end[0] &&
        start[1] === end[1] &&
        Math.hypot(at[0] - start[0], at[1] - start[1]) * view.zoom < GRIP_PX,
    );
    const edit = held
      ? { do: "drop-arrow", arrow: held.id }
      : { do: "arrow", arrow: newName("pin"), start: at, end: at };
    await this.commit([edit], null);
  }

  /** @param {Point} at */
  async order(at) {
    if (this.nearer) {
      const outlines = this.nearer;
      this.nearer = null;
      await this.commit([{ do: "nearer", outlines, than: at }], null);
      return;
    }
    const outlines = await this.pick(at);
    if (!outlines?.length) return;
    this.nearer = outlines;
    this.view.draft = { outlines, color: "#ffb030" };
    this.view.paint();
    this.server.say("Now click what lies behind it.");
  }

  /** @param {Point} at */
  async flatten(at) {
    const outlines = await this.pick(at);
    if (outlines?.length) {
      await this.commit([{ do: "surface", outlines, shape: this.state.shape }], {
        outlines,
        color: "#ffb030",
        until: "depth.jpg",
      });
    }
  }

  /** @param {Point} at */
  async focus(at) {
    const { view, state } = this;
    const { width, height } = view.size;
    const focus = [Math.min(Math.max(at[0], 0), width), Math.min(Math.max(at[1], 0), height)];
    if (state.document) await this.commit([{ ...state.document.settings, focus }], null);
  }

  /** Removes the arrow that was drawn or moved last. */
  async removeArrow() {
    const arrow = this.selected;
    this.selected = null;
    if (arrow && this.state.arrows.some(({ id }) => id === arrow)) {
      await this.commit([{ do: "drop-arrow", arrow }], null);
    }
  }

  /**
   * Sends a step; what was drawn stays on the canvas until the server shows it, or refuses it.
   *
   * @param {Edit[]} step @param {import("./view.js").Draft | null} draft
   */
  async commit(step, draft) {
    const { view } = this;
    view.draft = null;
    const sent = this.server.commit(step);
    if (draft) await view.keep({ ...draft, arrow: undefined }, sent);
    else view.paint();
  }
}

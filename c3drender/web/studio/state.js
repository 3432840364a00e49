// What the page knows: the document as the server tells it, and the tools.

/** @typedef {import("./api.js").Kind} Kind */
/** @typedef {import("./api.js").Point} Point */
/** @typedef {import("./api.js").DocumentEvent} DocumentEvent */
/** @typedef {{id: string, kind: Kind, speed: number, title: string}} Region */
/** @typedef {{id: string, start: Point, end: Point}} Arrow */

export const FOUND = "found";
/** @type {Record<Kind, {title: string, verb: string, speed: string}>} */
export const KINDS = {
  flows: { title: "Flowing", verb: "Flows", speed: "Speed" },
  sways: { title: "Swaying", verb: "Sways", speed: "Reach" },
  flickers: { title: "Flickering", verb: "Flickers", speed: "Reach" },
  ripples: { title: "Rippling", verb: "Ripples", speed: "Height" },
  still: { title: "Held still", verb: "Still", speed: "" },
};

export class State extends EventTarget {
  constructor() {
    super();
    /** @type {DocumentEvent | null} */
    this.document = null;
    /** @type {Region[]} in the server's order, which is that of the numbers in its picture */
    this.regions = [];
    /** @type {Arrow[]} */
    this.arrows = [];
    this.active = FOUND;
    this.tool = "take";
    /** @type {Kind} of regions that are made by drawing */
    this.kind = "flows";
    this.sizePx = 60; // of the screen, so that zooming in makes the brush finer
    this.feather = 0.5;
    this.reach = 0.3;
    this.takesAway = false; // as Alt does, for who has none
    this.farther = false;
    this.depthBy = 0.12;
    /** @type {"plane" | "upright"} */
    this.shape = "plane";
  }

  /** @param {DocumentEvent} document */
  follow(document) {
    this.document = document;
    /** @type {Map<string, Region>} */
    const regions = new Map([[FOUND, { id: FOUND, kind: "flows", speed: 1, title: "Found by itself" }]]);
    const arrows = new Map();
    for (const edit of document.edits) {
      const own = edit.region && regions.get(edit.region);
      if (edit.do === "region") {
        const title = edit.title || own?.title || KINDS[/** @type {Kind} */ (edit.kind)].title;
        regions.set(edit.region, { id: edit.region, kind: edit.kind, speed: edit.speed, title });
      } else if (edit.do === "drop-region") {
        regions.delete(edit.region);
      } else if (edit.do === "painted" && !own) {
        regions.set(edit.region, { id: edit.region, kind: "flows", speed: 1, title: KINDS.flows.title });
      } else if (edit.do === "arrow") {
        arrows.set(edit.arrow, { id: edit.arrow, start: edit.start, end: edit.end });
      } else if (edit.do === "drop-arrow") {
        arrows.delete(edit.arrow);
      }
    }
    this.regions = [...regions.values()];
    this.arrows = [...arrows.values()];
    if (!regions.has(this.active)) this.active = this.regions[0]?.id ?? "";
    this.changed();
  }

  /** Nothing is open. */
  forget() {
    this.document = null;
    this.regions = [];
    this.arrows = [];
    this.changed();
  }

  get activeRegion() {
    return this.regions.find((region) => region.id === this.active) ?? null;
  }

  /** @param {Partial<State>} values */
  set(values) {
    Object.assign(this, values);
    this.changed();
  }

  changed() {
    this.dispatchEvent(new Event("change"));
  }
}

/** @param {string} prefix */
export function newName(prefix) {
  return `${prefix}-${Date.now().toString(36)}${Math.floor(Math.random() * 1296).toString(36)}`;
}

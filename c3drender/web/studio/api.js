// What the server is asked. Every change names the revision that it was made on.

/**
 * @typedef {[number, number]} Point
 * @typedef {"flows" | "sways" | "flickers" | "ripples" | "still"} Kind
 * @typedef {{do: "settings", camera: string, amplitude: number, focus: Point | null, frames: number | null, fps: number,
 *   speed: number}} Settings
 * @typedef {{do: string, [name: string]: any}} Edit
 * @typedef {{event: "document", name: string, revision: number, photo: {width: number, height: number},
 *   settings: Settings, edits: Edit[], can_undo: number, can_redo: number}} DocumentEvent
 * @typedef {{number: number, kind: string, name: string, state: string, what: string, done: number, total: number,
 *   bytes: number, message: string}} Job
 * @typedef {{name: string, title: string, group: string, needs: string[], values?: Record<string, string>, least?: number,
 *   most?: number, step?: number, rest?: string, accept?: string, by_codec?: Record<string, [number, number]> | null}} Field
 * @typedef {{kind: string, title: string, group: string, codec: string, fields: Field[]}} Format
 * @typedef {{width: number, height: number, frames: number, plays: number, seconds: number}} Estimate
 */

export class Refused extends Error {
  /** @param {string} message @param {number} status */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * @param {string} path
 * @param {RequestInit} [init]
 * @returns {Promise<any>}
 */
async function ask(path, init = {}) {
  const response = await fetch(path, { ...init, headers: { "X-C3D-Studio": "1", ...init.headers } });
  const told = await response.json();
  if (!response.ok) throw new Refused(told.message ?? told.detail?.[0]?.msg ?? response.statusText, response.status);
  return told;
}

/** @param {string} path @param {unknown} value */
const post = (path, value) =>
  ask(path, { method: "POST", body: JSON.stringify(value), headers: { "Content-Type": "application/json" } });

/** @returns {Promise<{projects: string[], formats: Format[]}>} */
export const listProjects = () => ask("/api/projects");

/** @param {File} file @returns {Promise<{name: string}>} */
export const createProject = (file) =>
  ask(`/api/projects?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file });

export class Project {
  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.path = `/api/projects/${encodeURIComponent(name)}`;
  }

  /** @param {number} base @param {Edit[]} step */
  change(base, step) {
    return post(`${this.path}/steps`, { base, step });
  }

  /** @param {number} base @param {"undo" | "redo"} way */
  turnBack(base, way) {
    return post(`${this.path}/${way}`, { base });
  }

  /** @param {number} base the revision whose draft the page shows */
  plays(base) {
    return post(`${this.path}/plays`, { base });
  }

  /** @param {number} base @param {File} file */
  importLabelme(base, file) {
    return ask(`${this.path}/labelme?base=${base}`, { method: "POST", body: file });
  }

  /** @param {Point} point @param {number} reach @returns {Promise<Point[][]>} */
  async pick(point, reach) {
    return (await post(`${this.path}/pick`, { point, reach })).outlines;
  }

  /** @param {string} kind @param {number | null} size @param {Record<string, string | number>} options @returns {Promise<Job>} */
  begin(kind, size, options) {
    return post(`${this.path}/exports`, { kind, size, options });
  }

  /** @param {string} kind @param {number | null} size @param {Record<string, string | number>} options @returns {Promise<Estimate>} */
  estimate(kind, size, options) {
    return post(`${this.path}/estimate`, { kind, size, options });
  }

  /** @param {File} file @returns {Promise<string>} by which an export is asked for with this sound */
  async sendSound(file) {
    return (await ask(`${this.path}/files`, { method: "POST", body: file })).audio;
  }

  /** @param {number} number */
  cancel(number) {
    return ask(`${this.path}/exports/${number}`, { method: "DELETE" });
  }

  /** @param {number} number */
  downloadOf(number) {
    return `${this.path}/exports/${number}`;
  }

  /** @param {string} file @param {string} key */
  shown(file, key) {
    return `${this.path}/shown/${file}?key=${key}`;
  }

  /** @param {boolean} [small] */
  photo(small = false) {
    return `${this.path}/photo.jpg${small ? "?small=1" : ""}`;
  }

  events() {
    return new EventSource(`${this.path}/events`);
  }
}

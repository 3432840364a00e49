// The export dialog.

import { find, make } from "./panel.js";

/** @typedef {import("./api.js").Format} Format */
/** @typedef {import("./api.js").Job} Job */
/** @typedef {import("./api.js").Project} Project */
/** @typedef {import("./state.js").State} State */

const SIZES = /** @type {[string, number | null][]} */ ([
  ["the project's", null],
  ["640 px", 640],
  ["960 px", 960],
  ["1280 px", 1280],
  ["1920 px", 1920],
  ["2560 px", 2560],
  ["3840 px", 3840],
]);
const OWN_SIDE = 1920; // of the project's own scene, at most
const FRAMES = 120;
const SECONDS_PER_MEGAPIXEL = 0.06; // of a frame, on two cores; what an export takes corrects it
const SCENE_SECONDS_PER_MEGAPIXEL = 3;

export class Exports {
  /** @param {State} state @param {() => Project | null} project @param {(error: unknown) => void} fail */
  constructor(state, project, fail) {
    this.state = state;
    this.project = project;
    this.fail = fail;
    /** @type {Map<string, Format>} */
    this.formats = new Map();
    /** @type {Map<number, {job: Job, since: number}>} */
    this.jobs = new Map();
    this.pace = SECONDS_PER_MEGAPIXEL;
    find("export").addEventListener("click", () => {
      this.estimate();
      find("exports").showModal();
    });
    for (const id of ["format", "size"]) find(id).addEventListener("change", () => this.estimate());
    find("begin").addEventListener("click", () => void this.begin());
    find("size").append(...SIZES.map(([text, side]) => make("option", { value: String(side ?? "") }, text)));
  }

  /** @param {Format[]} formats */
  offer(formats) {
    this.formats = new Map(formats.map((format) => [format.kind, format]));
    const groups = new Map();
    for (const format of formats) {
      if (!groups.has(format.group)) groups.set(format.group, make("optgroup", { label: format.group }));
      groups.get(format.group).append(make("option", { value: format.kind }, format.title));
    }
    find("format").replaceChildren(...groups.values());
  }

  close() {
    this.jobs.clear();
    find("jobs").replaceChildren();
  }

  get size() {
    return find("size").value === "" ? null : Number(find("size").value);
  }

  estimate() {
    const { document } = this.state;
    const format = this.formats.get(find("format").value);
    if (!document || !format) return;
    const { width, height } = document.photo;
    const longer = Math.max(width, height);
    const scale = (this.size ?? Math.min(longer, OWN_SIDE)) / longer;
    const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
    const megapixels = (w * h) / 1e6;
    const frames = format.of_frames ? (document.settings.frames ?? FRAMES) : 0;
    const seconds = SCENE_SECONDS_PER_MEGAPIXEL * megapixels + frames * megapixels * this.pace;
    const length = frames ? `${frames} frames, ${(frames / document.settings.fps).toFixed(1)} s, ` : "";
    find("estimate").textContent = `${w} × ${h} px, ${length}about ${timeText(seconds)} to make.`;
  }

  async begin() {
    const project = this.project();
    if (!project) return;
    try {
      this.follow(await project.begin(find("format").value, this.size));
    } catch (error) {
      this.fail(error);
    }
  }

  /** @param {Job} job */
  follow(job) {
    const since = this.jobs.get(job.number)?.since ?? performance.now();
    this.jobs.set(job.number, { job, since: job.what === "frames" && job.done === 0 ? performance.now() : since });
    find("jobs").replaceChildren(
      ...[...this.jobs.values()].reverse().map((known) => this.item(known.job, known.since)),
    );
  }

  /** @param {Job} job @param {number} since ms */
  item(job, since) {
    const project = /** @type {Project} */ (this.project());
    const title = this.formats.get(job.kind)?.title ?? job.kind;
    const item = make("li", {}, make("span", {}, title));
    if (job.state === "runs") {
      const cancel = make("button", { "aria-label": `Cancel ${title}` }, "Cancel");
      cancel.addEventListener("click", () => void project.cancel(job.number).catch(this.fail));
      const left = job.done ? (((performance.now() - since) / 1000) * (job.total - job.done)) / job.done : null;
      const told = { scene: "Making the scene", file: "Writing the file", starts: "Starting" }[job.what];
      const text = told ?? `Frame ${job.done} of ${job.total}${left === null ? "" : `, ${timeText(left)} left`}`;
      const bar = make("progress", { max: job.total, "aria-label": `Progress of ${title}` });
      if (job.what === "frames") bar.value = job.done;
      item.append(cancel, make("span", { className: "faint" }, text), bar);
    } else if (job.state === "done") {
      const megabytes = (job.bytes / 1e6).toFixed(job.bytes < 1e7 ? 2 : 0);
      item.append(make("a", { href: project.downloadOf(job.number), download: job.name }, `Download ${job.name}`));
      item.append(make("span", { className: "faint" }, `${megabytes} MB`));
    } else {
      item.append(make("span", { className: "faint" }, job.message || job.state));
    }
    return item;
  }
}

/** @param {number} seconds */
function timeText(seconds) {
  return seconds < 90 ? `${Math.max(Math.round(seconds), 1)} s` : `${Math.round(seconds / 60)} min`;
}

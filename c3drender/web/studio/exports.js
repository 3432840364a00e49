// The export dialog: what is written, what is asked of it, and how far it is.

import { find, icon, make } from "./panel.js";

/** @typedef {import("./api.js").Field} Field */
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

export class Exports {
  /** @param {State} state @param {() => Project | null} project @param {(error: unknown) => void} fail */
  constructor(state, project, fail) {
    this.state = state;
    this.project = project;
    this.fail = fail;
    /** @type {Map<string, Format>} */
    this.formats = new Map();
    /** @type {Map<number, {job: Job, since: number, item: HTMLLIElement}>} */
    this.jobs = new Map();
    /** What was chosen, by name, also of formats that are not chosen now. @type {Record<string, string>} */
    this.given = {};
    this.open = new Set(["Quality"]); // groups of fields, also when another format is chosen
    this.asked = 0;
    /** @type {HTMLInputElement | null} */
    this.sound = null;
    /** @type {Promise<void> | null} */
    this.sending = null;
    find("export").addEventListener("click", () => {
      this.update();
      find("exports").showModal();
    });
    find("format").addEventListener("change", () => this.offerFields());
    find("size").addEventListener("change", () => this.update());
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
    this.offerFields();
  }

  /** The fields of the format, in groups that unfold. */
  offerFields() {
    /** @type {Map<string, HTMLDetailsElement>} */
    const groups = new Map();
    for (const field of this.format?.fields ?? []) {
      let group = groups.get(field.group);
      if (!group) {
        const summary = make("summary", {}, field.group, make("span", { className: "faint chosen" }));
        group = make("details", { open: this.open.has(field.group) }, summary, make("div", { className: "fields" }));
        const shown = group;
        group.addEventListener("toggle", () => this.open[shown.open ? "add" : "delete"](field.group));
        groups.set(field.group, group);
      }
      group.lastElementChild?.append(this.fieldOf(field));
    }
    find("fields").replaceChildren(...groups.values());
    this.update();
  }

  /** @param {Field} field */
  fieldOf(field) {
    const { name } = field;
    if (field.accept) return this.soundOf(field);
    const input = field.values
      ? make(
          "select",
          { name },
          ...Object.entries(field.values).map(([value, text]) => make("option", { value }, text)),
        )
      : make("input", {
          name,
          type: "number",
          min: String(field.least),
          max: String(field.most),
          step: String(field.step),
        });
    if (!field.values || (this.given[name] ?? "") in field.values) input.value = this.given[name] ?? "";
    input.addEventListener("input", () => {
      this.given[name] = input.value;
      this.update();
    });
    return make("label", { "data-field": name }, make("span", {}, field.title), input);
  }

  /**
   * A file with sound is sent when it is chosen. The element stays the same one: a browser lets nobody else fill it.
   *
   * @param {Field} field
   */
  soundOf({ name, title, accept }) {
    const input = (this.sound ??= make("input", { name, type: "file", accept }));
    const drop = make("button", { type: "button", className: "quiet drop", "aria-label": "No sound" }, icon("close"));
    drop.addEventListener("click", () => {
      input.value = "";
      delete this.given[name];
      this.update();
      input.focus();
    });
    input.onchange = () => {
      delete this.given[name];
      this.sending = this.sendSound(name, input.files?.[0] ?? null);
    };
    return make("label", { "data-field": name }, make("span", {}, title), input, drop);
  }

  /** @param {string} name @param {File | null} file */
  async sendSound(name, file) {
    try {
      const sent = file && (await this.project()?.sendSound(file));
      if (sent && this.sound?.files?.[0] === file) this.given[name] = sent;
      this.update();
    } catch (error) {
      if (this.sound?.files?.[0] === file) this.sound.value = "";
      this.update();
      this.fail(error);
    }
  }

  close() {
    this.sound = null;
    delete this.given.audio;
    this.jobs.clear();
    find("jobs").replaceChildren();
    find("exports").close();
  }

  get format() {
    return this.formats.get(find("format").value);
  }

  get size() {
    return find("size").value === "" ? null : Number(find("size").value);
  }

  /** What is asked for, by name; what is not shown is not. */
  get options() {
    /** @type {Record<string, string | number>} */
    const options = {};
    for (const input of find("fields").querySelectorAll("select, input")) {
      if (input.value === "" || input.closest("[hidden]")) continue;
      if (input.type !== "file") options[input.name] = input.type === "number" ? input.valueAsNumber : input.value;
      else if (this.given[input.name]) options[input.name] = this.given[input.name];
    }
    return options;
  }

  /** What hangs on what was chosen: which fields are shown, what stands in them, what is said of it. */
  update() {
    const { format } = this;
    if (!format) return;
    const chosen = (/** @type {string} */ name) => {
      const input = find("fields").querySelector(`[name="${name}"]`);
      return input && !input.closest("[hidden]") ? input.value : "";
    };
    for (const field of format.fields) {
      const label = find("fields").querySelector(`[data-field="${field.name}"]`);
      const [most, rest] = field.by_codec
        ? (field.by_codec[chosen("codec") || format.codec] ?? [])
        : [field.most, field.rest];
      label.hidden = (field.needs.length > 0 && !field.needs.some(chosen)) || (field.by_codec && most === undefined);
      const input = label.querySelector("[name]");
      if (field.accept) label.querySelector(".drop").hidden = !input.value;
      if (input.type !== "number") continue;
      input.max = String(most);
      input.placeholder = String(rest);
    }
    for (const group of find("fields").querySelectorAll("details")) {
      const shown = [...group.querySelectorAll("label:not([hidden]) [name]")].filter(({ value }) => value);
      group.querySelector(".chosen").textContent = shown.map(textOf).join(", ");
    }
    void this.estimate();
  }

  async estimate() {
    const project = this.project();
    const { format } = this;
    if (!project || !format) return;
    const turn = ++this.asked;
    try {
      const told = await project.estimate(format.kind, this.size, this.options);
      if (turn !== this.asked) return;
      const length = told.frames > 1 ? `${told.frames} frames, ${told.plays.toFixed(1)} s, ` : "";
      find("estimate").textContent =
        `${told.width} × ${told.height} px, ${length}about ${timeText(told.seconds)} to make.`;
    } catch (error) {
      if (turn === this.asked) find("estimate").textContent = `${error}`.replace("Error: ", "");
    }
  }

  async begin() {
    const project = this.project();
    const { format } = this;
    if (!project || !format) return;
    const wrong = find("fields").querySelector("label:not([hidden]) :invalid");
    if (wrong) {
      wrong.closest("details").open = true;
      wrong.reportValidity();
      return;
    }
    await this.sending;
    try {
      const job = await project.begin(format.kind, this.size, this.options);
      this.follow(job);
      this.jobs.get(job.number)?.item.scrollIntoView({ block: "nearest" });
    } catch (error) {
      find("estimate").textContent = `${error}`.replace("Error: ", "");
    }
  }

  /** @param {Job} job */
  follow(job) {
    const known = this.jobs.get(job.number);
    const begins = job.what === "frames" && known?.job.what !== "frames";
    const since = known && !begins ? known.since : performance.now();
    // While it runs the same elements say how far it is: a button does not go away under the pointer.
    const stays = known && known.job.state === "runs" && job.state === "runs";
    const item = stays ? known.item : this.item(job);
    if (job.state === "runs") showProgress(item, job, since);
    if (known && !stays) {
      const had = known.item.contains(document.activeElement);
      known.item.replaceWith(item);
      if (had) item.querySelector("a")?.focus();
    } else if (!known) {
      find("jobs").prepend(item);
    }
    this.jobs.set(job.number, { job, since, item });
  }

  /** @param {Job} job */
  item(job) {
    const project = /** @type {Project} */ (this.project());
    const title = this.formats.get(job.kind)?.title ?? job.kind;
    const item = make("li", {}, make("span", {}, title));
    if (job.state === "runs") {
      const cancel = make("button", { "aria-label": `Cancel ${title}` }, "Cancel");
      cancel.addEventListener("click", () => void project.cancel(job.number).catch(this.fail));
      const bar = make("progress", { "aria-label": `Progress of ${title}` });
      item.append(cancel, make("span", { className: "faint" }), bar);
    } else if (job.state === "done") {
      const megabytes = (job.bytes / 1e6).toFixed(job.bytes < 1e7 ? 2 : 0);
      item.append(make("a", { href: project.downloadOf(job.number), download: job.name }, `Download ${job.name}`));
      item.append(make("span", { className: "faint" }, `${megabytes} MB`));
    } else {
      item.append(make("span", { className: job.message ? "bad" : "faint" }, job.message || job.state));
    }
    return item;
  }
}

/** What was chosen, in a word. @param {any} input */
function textOf(input) {
  if (input.files) return input.files[0].name;
  return input.selectedOptions?.[0].text ?? `${input.previousSibling.textContent} ${input.value}`;
}

/** @param {HTMLLIElement} item @param {Job} job that runs @param {number} since ms */
function showProgress(item, { what, done, total }, since) {
  const [text, bar] = [item.querySelector(".faint"), item.querySelector("progress")];
  if (!text || !bar) return;
  const left = done ? (((performance.now() - since) / 1000) * (total - done)) / done : null;
  const told = { scene: "Making the scene", file: "Writing the file", starts: "Starting" }[what];
  text.textContent = told ?? `Frame ${done} of ${total}${left === null ? "" : `, ${timeText(left)} left`}`;
  bar.max = total;
  if (what === "frames") bar.value = done;
  else bar.removeAttribute("value");
}

/** @param {number} seconds */
function timeText(seconds) {
  if (seconds < 90) return `${Math.max(Math.round(seconds), 1)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

// The panels: the tools and their options, the regions, the settings.

import { KINDS } from "./state.js";
import { TOOLS } from "./tools.js";

/** @typedef {import("./api.js").Edit} Edit */
/** @typedef {import("./api.js").Kind} Kind */
/** @typedef {import("./api.js").Settings} Settings */
/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Region} Region */
/** @typedef {(step: Edit[]) => Promise<number>} Commit */

const CAMERAS = ["circle", "swing", "zoom", "dolly", "rise", "orbit", "dolly-zoom", "still"];
const LOOPS = /** @type {[string, number | null][]} */ ([
  ["4.8 s, two loops", null],
  ["1.6 s", 40],
  ["2.4 s", 60],
  ["3.2 s", 80],
  ["4 s", 100],
  ["6 s", 150],
  ["8 s", 200],
]);

/** @param {string} id @returns {any} */
export const find = (id) => document.getElementById(id);

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag @param {Record<string, any>} [values] properties, or attributes with a hyphen @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, values = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(values)) {
    if (name.includes("-")) element.setAttribute(name, value);
    else Object.assign(element, { [name]: value });
  }
  element.append(...children);
  return element;
}

/** @param {string} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

/** @param {State} state */
export function showTools(state) {
  const bar = find("tools");
  let group = "";
  for (const [id, tool] of Object.entries(TOOLS)) {
    if (tool.group !== group) bar.append(make("h2", {}, (group = tool.group)));
    const title = `${tool.title} (${tool.key}): ${tool.hint}`;
    const button = make("button", { title, "data-tool": id, "aria-pressed": "false" }, icon(tool.icon), tool.title);
    button.addEventListener("click", () => state.set({ tool: id }));
    bar.append(button);
  }
  let shown = "";
  state.addEventListener("change", () => {
    for (const button of bar.querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.tool === state.tool));
    }
    if (state.tool !== shown) showOptions(state, (shown = state.tool));
    const size = document.querySelector("#options [name=size]");
    if (size instanceof HTMLInputElement) size.value = String(Math.sqrt(state.sizePx));
    for (const button of document.querySelectorAll("#options [data-kind]")) {
      button.setAttribute("aria-pressed", String(button.getAttribute("data-kind") === state.kind));
    }
  });
}

/** @param {State} state @param {string} tool */
function showOptions(state, tool) {
  const range = (
    /** @type {string} */ label,
    /** @type {Record<string, any>} */ values,
    /** @type {(v: number) => void} */ set,
  ) => {
    const input = make("input", { type: "range", ...values });
    input.addEventListener("input", () => set(input.valueAsNumber));
    return make("label", {}, label, input);
  };
  const choice = (
    /** @type {string} */ label,
    /** @type {string[]} */ options,
    /** @type {string} */ value,
    /** @type {(v: string) => void} */ set,
  ) => {
    const select = make("select", {}, ...options.map((option) => make("option", { value: option }, option)));
    select.value = value;
    select.addEventListener("change", () => set(select.value));
    return make("label", {}, label, select);
  };
  /** @type {Record<string, () => HTMLElement>} */
  const makers = {
    kind: () => {
      const row = make("div", { className: "kinds", role: "group", "aria-label": "It" });
      for (const [kind, { verb }] of Object.entries(KINDS)) {
        const swatch = make("span", { className: `swatch ${kind}` });
        const button = make("button", { className: "quiet", "data-kind": kind, "aria-pressed": "false" }, swatch, verb);
        button.addEventListener("click", () => state.set({ kind: /** @type {Kind} */ (kind) }));
        row.append(button);
      }
      return row;
    },
    size: () =>
      range("Size", { name: "size", min: 2, max: 20, step: 0.25, value: Math.sqrt(state.sizePx) }, (root) =>
        state.set({ sizePx: root * root }),
      ),
    feather: () =>
      range("Softness", { min: 0, max: 1, step: 0.05, value: state.feather }, (feather) => state.set({ feather })),
    reach: () =>
      range("Reach", { min: 0.04, max: 0.9, step: 0.02, value: state.reach }, (reach) => state.set({ reach })),
    away: () => {
      const button = make("button", { className: "quiet", "aria-pressed": String(state.takesAway) }, "Take away");
      button.addEventListener("click", () => {
        state.set({ takesAway: !state.takesAway });
        button.setAttribute("aria-pressed", String(state.takesAway));
      });
      return button;
    },
    amount: () =>
      range("By", { min: 0.02, max: 0.4, step: 0.02, value: state.depthBy }, (depthBy) => state.set({ depthBy })),
    direction: () =>
      choice("Paint", ["nearer", "farther"], state.farther ? "farther" : "nearer", (way) =>
        state.set({ farther: way === "farther" }),
      ),
    shape: () =>
      choice("Make it", ["plane", "upright"], state.shape, (shape) =>
        state.set({ shape: shape === "plane" ? "plane" : "upright" }),
      ),
  };
  find("options").replaceChildren(...TOOLS[tool].uses.map((name) => makers[name]()));
}

/** @param {State} state @param {Commit} commit */
export function showRegions(state, commit) {
  const row = find("add");
  for (const [kind, { verb }] of Object.entries(KINDS)) {
    const button = make(
      "button",
      { title: `New: ${verb.toLowerCase()}` },
      make("span", { className: `swatch ${kind}` }),
      verb,
    );
    button.addEventListener("click", () => {
      const id = `${kind}-${Date.now().toString(36)}`;
      state.set({ active: id, kind: /** @type {Kind} */ (kind), tool: state.tool === "arrow" ? "brush" : state.tool });
      void commit([{ do: "region", region: id, kind, title: KINDS[/** @type {Kind} */ (kind)].title }]).then(() =>
        state.set({ active: id }),
      );
    });
    row.append(button);
  }
  let shown = "";
  state.addEventListener("change", () => {
    const told = JSON.stringify([state.regions, state.active]);
    if (told === shown) return;
    shown = told;
    find("regions").replaceChildren(...state.regions.map((region) => regionItem(state, region, commit)));
  });
}

/** @param {State} state @param {Region} region @param {Commit} commit */
function regionItem(state, region, commit) {
  const isActive = region.id === state.active;
  const told = { do: "region", region: region.id, title: region.title };
  const swatch = make("span", { className: `swatch ${region.kind}` });
  const name = make("button", { className: "pick", "aria-pressed": String(isActive) }, region.title);
  name.addEventListener("click", () => state.set({ active: region.id, kind: region.kind }));
  const drop = make(
    "button",
    { className: "quiet", title: "Remove", "aria-label": `Remove ${region.title}` },
    icon("drop"),
  );
  drop.addEventListener("click", () => void commit([{ do: "drop-region", region: region.id }]));
  const item = make("li", { className: `region${isActive ? " active" : ""}` }, swatch, name, drop);
  if (!isActive) return item;
  const kind = make(
    "select",
    { "aria-label": `What ${region.title} does` },
    ...Object.entries(KINDS).map(([value, { verb }]) => make("option", { value }, verb)),
  );
  kind.value = region.kind;
  kind.addEventListener("change", () => {
    state.set({ kind: /** @type {Kind} */ (kind.value) });
    void commit([{ ...told, kind: kind.value, speed: region.speed }]);
  });
  const more = make("div", { className: "more" }, kind);
  const label = KINDS[region.kind].speed;
  if (label) {
    const speed = make("input", {
      type: "range",
      min: "0",
      max: "3",
      step: "0.05",
      value: String(region.speed),
      "aria-label": `${label} of ${region.title}`,
    });
    const output = make("output", {}, region.speed.toFixed(2));
    speed.addEventListener("input", () => (output.value = speed.valueAsNumber.toFixed(2)));
    speed.addEventListener("change", () => void commit([{ ...told, kind: region.kind, speed: speed.valueAsNumber }]));
    more.append(make("span", { className: "faint" }, label), speed, output);
  }
  item.append(more);
  return item;
}

/** @param {State} state @param {Commit} commit */
export function showSettings(state, commit) {
  const form = find("settings");
  /** @param {Partial<Settings>} values */
  const change = (values) => state.document && void commit([{ ...state.document.settings, ...values }]);
  const camera = make("select", { id: "camera" }, ...CAMERAS.map((name) => make("option", { value: name }, name)));
  camera.addEventListener("change", () => change({ camera: camera.value }));
  const loop = make(
    "select",
    { id: "loop" },
    ...LOOPS.map(([text, frames]) => make("option", { value: String(frames) }, text)),
  );
  loop.addEventListener("change", () => change({ frames: loop.value === "null" ? null : Number(loop.value) }));
  const slider = (/** @type {string} */ id, /** @type {number} */ most, /** @type {(v: number) => void} */ set) => {
    const input = make("input", { id, type: "range", min: "0", max: String(most), step: "0.05" });
    const output = make("output", { htmlFor: id });
    input.addEventListener("input", () => (output.value = input.valueAsNumber.toFixed(2)));
    input.addEventListener("change", () => set(input.valueAsNumber));
    return /** @type {[HTMLInputElement, HTMLOutputElement]} */ ([input, output]);
  };
  const [amplitude, amplitudeShown] = slider("amplitude", 2, (value) => change({ amplitude: value }));
  const [speed, speedShown] = slider("speed", 3, (value) => change({ speed: value }));
  const unfocus = make("button", { type: "button", className: "wide" }, "Focus: the middle");
  unfocus.addEventListener("click", () => {
    if (state.document?.settings.focus) change({ focus: null });
    else state.set({ tool: "focus" });
  });
  const label = (/** @type {string} */ text, /** @type {string} */ id) => make("label", { htmlFor: id }, text);
  form.append(label("Camera", "camera"), camera, label("Amplitude", "amplitude"), amplitude, amplitudeShown);
  form.append(
    label("Speed", "speed"),
    speed,
    speedShown,
    label("Loop", "loop"),
    loop,
    make("span", {}, "Turn about"),
    unfocus,
  );
  form.addEventListener("submit", (/** @type {Event} */ event) => event.preventDefault());
  state.addEventListener("change", () => {
    const settings = state.document?.settings;
    if (!settings || form.contains(document.activeElement)) {
      if (settings) unfocus.textContent = focusText(settings);
      return;
    }
    camera.value = settings.camera;
    loop.value = String(settings.frames);
    amplitude.value = String(settings.amplitude);
    speed.value = String(settings.speed);
    amplitudeShown.value = settings.amplitude.toFixed(2);
    speedShown.value = settings.speed.toFixed(2);
    unfocus.textContent = focusText(settings);
  });
}

/** @param {Settings} settings */
function focusText(settings) {
  return settings.focus ? `${settings.focus.map(Math.round).join(", ")} px: reset` : "the middle: choose a place";
}

// The page: opens projects, follows what the server says, and sends what is done.

import "/player/c3d-cinemagraph.js";

import { createProject, listProjects, Project, Refused } from "./api.js";
import { Exports } from "./exports.js";
import { find, make, showRegions, showSettings, showTools } from "./panel.js";
import { State } from "./state.js";
import { TOOLS, Tools } from "./tools.js";
import { View } from "./view.js";

/** @typedef {import("./api.js").Edit} Edit */
/** @typedef {import("./api.js").Point} Point */

const TOAST_MS = 6000;
const HINTS = "c3d-studio-hints"; // in the browser's storage: which were read
const LEAST_BRUSH_PX = 4;
const MOST_BRUSH_PX = 400;
const BRUSH_STEP = 1.2;
const PAN_PX = 60;
const ZOOM_STEP = 1.3;
const PHOTO_PX = 1920; // the longer side of the photo that is painted on

const state = new State();
const view = new View(find("canvas"), state);
/** @type {Project | null} */
let project = null;
/** @type {EventSource | null} */
let events = null;
/** @type {Promise<unknown>} what is sent goes one after the other */
let sending = Promise.resolve();
let revision = 0;
let changedAt = 0;
/** @type {any} the player's element: there before its scene, so that what it draws with is made meanwhile */
let player = null;
/** @type {{name: string, file: File, at: number} | null} the photo of a project that this page has made, and when, ms */
let taken = null;
let toastTimer = 0;
/** @type {Record<string, {revision: number, afterMs: number, stagesMs: Record<string, number>}>} for who measures */
const shown = {};
/** @type {Record<string, {key: string, url: string}>} by their files, the newest of each */
let scenes = {};
let newest = "";
/** @type {Record<string, string>} */
const QUALITY = {
  "preview.c3dweb": "draft",
  "loop.c3dweb": "the loop as it will be",
  "full.c3dweb": "full quality",
};

const tools = new Tools(view, state, { commit, pick, say });
const exports = new Exports(state, () => project, fail);

/** @param {string} text */
function say(text) {
  const toast = find("toast");
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => (toast.hidden = true), TOAST_MS);
}

/** @param {unknown} error */
function fail(error) {
  const isLost = error instanceof TypeError; // of fetch, where there is no server
  say(
    isLost
      ? "The studio does not answer: is it still running? Everything up to here is kept."
      : `${error}`.replace("Error: ", ""),
  );
}

/** @param {(base: number) => Promise<any>} send @returns {Promise<number>} the revision that it made, 0 if it was refused */
function change(send) {
  changedAt = performance.now();
  const sent = sending.then(async () => {
    if (!project) return 0;
    try {
      find("saved").textContent = "Saving";
      const made = (await send(revision)).revision;
      revision = Math.max(made, revision);
      find("saved").textContent = "Saved";
      return made;
    } catch (error) {
      find("saved").textContent = "Not saved";
      if (error instanceof Refused && error.status === 409) {
        say("Another page has changed this project. This one shows its state now; please do it again.");
      } else {
        fail(error);
      }
      return 0;
    }
  });
  sending = sent;
  return sent;
}

/** @param {Edit[]} step */
function commit(step) {
  const own = project;
  return own ? change((base) => own.change(base, step)) : Promise.resolve(0);
}

/** @param {Point} at @param {number} reach @returns {Promise<Point[][]>} */
async function pick(at, reach) {
  try {
    return (await project?.pick(at, reach)) ?? [];
  } catch (error) {
    fail(error);
    return [];
  }
}

/** @param {"undo" | "redo"} way */
function turnBack(way) {
  const own = project;
  if (own && !find(way).disabled) void change((base) => own.turnBack(base, way));
}

/** @param {any} told one of the server's events */
async function follow(told) {
  if (!project) return;
  if (told.event === "document") {
    revision = told.revision;
    if (!view.photo) await showPhoto(told);
    state.follow(told);
    find("undo").disabled = !told.can_undo;
    find("redo").disabled = !told.can_redo;
  } else if (told.event === "stage") {
    await showStage(told);
  } else if (told.event === "done") {
    if (told.notes.length)
      find("notes").replaceChildren(...told.notes.map((/** @type {string} */ note) => make("li", {}, note)));
  } else if (told.event === "failed") {
    find("busy").hidden = true;
    view.giveUp();
    say(told.message);
  } else if (told.event === "job") {
    exports.follow(told);
  }
}

/** @param {any} told */
async function showPhoto(told) {
  const own = /** @type {Project} */ (project);
  const { file, photo } = (await ownPhoto(own, told.photo)) ?? (await serversPhoto(own));
  if (own !== project) return;
  view.open(photo, told.photo);
  find("player").style.aspectRatio = `${told.photo.width} / ${told.photo.height}`;
  const poster = make("img", { src: URL.createObjectURL(file), alt: "" });
  poster.addEventListener("load", () => URL.revokeObjectURL(poster.src));
  player.replaceChildren(poster);
  find("player").append(make("span", { className: "soon" }, "soon in motion"));
}

/**
 * The photo that was taken here: it is there before the server has read it.
 *
 * @param {Project} own
 * @param {{width: number, height: number}} size
 * @returns {Promise<{file: Blob, photo: ImageBitmap} | null>} null: taken elsewhere, or in a format that this browser does not know
 */
async function ownPhoto(own, { width, height }) {
  if (taken?.name !== own.name) return null;
  const { file } = taken;
  const whole = await createImageBitmap(file).catch(() => null);
  if (!whole) return null;
  const scale = Math.min(PHOTO_PX / Math.max(width, height), 1);
  const sheet = new OffscreenCanvas(Math.round(scale * width), Math.round(scale * height));
  /** @type {OffscreenCanvasRenderingContext2D} */ (sheet.getContext("2d")).drawImage(
    whole,
    0,
    0,
    sheet.width,
    sheet.height,
  );
  whole.close();
  return { file, photo: sheet.transferToImageBitmap() };
}

/** @param {Project} own */
async function serversPhoto(own) {
  const response = await fetch(own.photo());
  if (!response.ok) throw new Error((await response.json()).message);
  const file = await response.blob();
  return { file, photo: await createImageBitmap(file) };
}

/** @param {{name: string, key: string, revision: number, stages_ms: Record<string, number>}} told */
async function showStage(told) {
  const { name, key } = told;
  const own = /** @type {Project} */ (project);
  const url = own.shown(name, key);
  if (name.endsWith(".c3dweb")) {
    scenes[name] = { key, url };
    // Not waited for: what comes next may be shown while the player reads this.
    void playBest(key).then(() => {
      if (own !== project) return;
      tell(told);
      if (name === "preview.c3dweb") own.plays(told.revision).catch(fail);
    });
    return;
  }
  const response = await fetch(url);
  if (name === "regions.png") await view.showRegions(await response.blob());
  if (name === "field.bin") {
    view.showField(await response.arrayBuffer());
    find("hint").dataset.tool = "";
    hint();
  }
  if (name === "depth.jpg") await view.showDepth(await response.blob());
  view.arrive(name, told.revision);
  find("busy-text").textContent = name === "regions.png" ? "Finding what moves" : "Building it in three dimensions";
  tell(told);
}

/**
 * A stage is on the screen, and after how long.
 *
 * @param {{name: string, revision: number, stages_ms: Record<string, number>}} told
 */
function tell(told) {
  const { name } = told;
  const afterMs = performance.now() - changedAt;
  const what = { "field.bin": "flow", "preview.c3dweb": "in motion" }[name];
  if (what && changedAt && told.revision === revision)
    find("timing").textContent = `${what} after ${(afterMs / 1000).toFixed(2)} s`;
  shown[name] = { revision: told.revision, afterMs, stagesMs: told.stages_ms };
}

/**
 * Plays the best that there is of a document: what was made in full only where it is looked at in full.
 *
 * @param {string} key of the document
 */
async function playBest(key) {
  const isLarge = document.body.classList.contains("large");
  const names = isLarge ? ["full.c3dweb", "loop.c3dweb", "preview.c3dweb"] : ["loop.c3dweb", "preview.c3dweb"];
  const best = names.find((name) => scenes[name]?.key === key);
  if (!best) return;
  newest = key;
  const { url } = scenes[best];
  await play(url);
  if (player.getAttribute("src") === url) find("quality").textContent = QUALITY[best];
}

/** @param {string} url */
async function play(url) {
  player.setAttribute("src", url);
  await player.loading;
  find("player").querySelector(".soon")?.remove();
  find("busy").hidden = true;
}

function makePlayer() {
  player = document.createElement("c3d-cinemagraph");
  player.setAttribute("aria-label", "Preview");
  player.addEventListener("error", (/** @type {ErrorEvent} */ event) => say(`Preview: ${event.message}`));
  find("player").replaceChildren(player);
}

function togglePlay() {
  if (player.paused) player.play();
  else player.pause();
  const button = find("play");
  button.querySelector("use").setAttribute("href", player.paused ? "#i-play" : "#i-pause");
  button.querySelector("span").textContent = player.paused ? "Play" : "Pause";
}

function toggleLarge() {
  const isLarge = document.body.classList.toggle("large");
  find("large").setAttribute("aria-pressed", String(isLarge));
  void playBest(newest);
}

/** @param {string} name */
function open(name) {
  close();
  const own = (project = new Project(name));
  if (taken?.name === name) changedAt = taken.at;
  find("start").hidden = true;
  find("work").hidden = find("busy").hidden = false;
  find("busy-text").textContent = "Looking at the photo";
  find("name").textContent = document.title = name;
  find("export").disabled = false;
  state.set({ tool: state.tool });
  events = own.events();
  /** @type {Promise<unknown>} one after the other, as they came */
  let following = Promise.resolve();
  events.addEventListener("message", (event) => {
    const told = JSON.parse(event.data);
    following = following.then(() => (own === project ? follow(told) : undefined)).catch(fail);
  });
  events.addEventListener("open", () => (find("saved").textContent = "Saved"));
  events.addEventListener("error", () => {
    find("saved").textContent = "Not connected: the studio does not answer";
    if (events?.readyState === EventSource.CLOSED) void showStart().catch(fail);
  });
  hint();
}

function close() {
  events?.close();
  events = project = null;
  changedAt = 0;
  scenes = {};
  for (const name of Object.keys(shown)) delete shown[name];
  if (!player || player.childElementCount) makePlayer();
  view.photo = null;
  state.forget();
  document.body.classList.remove("large");
  exports.close();
  for (const id of ["saved", "timing", "quality"]) find(id).textContent = "";
}

async function showStart() {
  close();
  find("work").hidden = true;
  find("start").hidden = false;
  find("export").disabled = find("undo").disabled = find("redo").disabled = true;
  find("name").textContent = document.title = "c3drender studio";
  const { projects, formats } = await listProjects();
  exports.offer(formats);
  find("recent").hidden = !projects.length;
  find("projects").replaceChildren(
    ...projects.map((name) => {
      const picture = make("img", { src: new Project(name).photo(true), alt: "", loading: "lazy" });
      const button = make("button", {}, picture, name);
      button.addEventListener("click", () => (location.hash = encodeURIComponent(name)));
      return make("li", {}, button);
    }),
  );
}

async function route() {
  const name = decodeURIComponent(location.hash.slice(1));
  try {
    if (!name) await showStart();
    else {
      exports.offer((await listProjects()).formats);
      open(name);
    }
  } catch (error) {
    fail(error);
  }
}

/** @param {File} file */
async function take(file) {
  find("drop").classList.remove("over");
  say(`Reading ${file.name}`);
  const at = performance.now();
  try {
    const { name } = await createProject(file);
    taken = { name, file, at };
    find("toast").hidden = true;
    location.hash = encodeURIComponent(name);
  } catch (error) {
    fail(error);
  }
}

/** What the tool does, until it was read. */
function hint() {
  const read = new Set((localStorage.getItem(HINTS) ?? "").split(","));
  const box = find("hint");
  const told = box.dataset.tool;
  if (!project || read.has(state.tool)) {
    box.replaceChildren();
    box.dataset.tool = "";
    return;
  }
  if (told === state.tool) return;
  box.dataset.tool = state.tool;
  const button = make("button", {}, "Got it");
  button.addEventListener("click", () => {
    localStorage.setItem(HINTS, [...read, state.tool].join(","));
    hint();
    view.canvas.focus();
  });
  const lead =
    view.streaks.field && !view.streaks.moves && !state.arrows.length ? "Nothing surely moves by itself here. " : "";
  box.replaceChildren(make("span", {}, lead + TOOLS[state.tool].hint), button);
}

/** @param {KeyboardEvent} event */
function press(event) {
  if (!project || find("exports").open) return;
  const target = /** @type {HTMLElement} */ (event.target);
  const isField = target.matches("input, select, textarea");
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (event.ctrlKey || event.metaKey) {
    if (key === "z") turnBack(event.shiftKey ? "redo" : "undo");
    else if (key === "y") turnBack("redo");
    else return;
    event.preventDefault();
    return;
  }
  if (isField || event.altKey) return;
  /** @type {Record<string, () => void>} */
  const keys = {
    "[": () => resizeBrush(1 / BRUSH_STEP),
    "]": () => resizeBrush(BRUSH_STEP),
    0: () => view.fit(),
    "+": () => view.zoomAt(ZOOM_STEP, view.canvas.clientWidth / 2, view.canvas.clientHeight / 2),
    "-": () => view.zoomAt(1 / ZOOM_STEP, view.canvas.clientWidth / 2, view.canvas.clientHeight / 2),
    v: toggleLarge,
    Escape: () => (document.body.classList.contains("large") ? toggleLarge() : tools.abandon()),
    Delete: () => void tools.removeArrow(),
    Backspace: () => void tools.removeArrow(),
    Enter: () => tools.closeLasso(),
  };
  if (target === view.canvas) {
    Object.assign(keys, {
      ArrowLeft: () => view.move(PAN_PX, 0),
      ArrowRight: () => view.move(-PAN_PX, 0),
      ArrowUp: () => view.move(0, PAN_PX),
      ArrowDown: () => view.move(0, -PAN_PX),
    });
  }
  const isPressed = target.matches("button, summary, a, c3d-cinemagraph");
  if (!isPressed) keys[" "] = togglePlay;
  if (isPressed) delete keys.Enter;
  for (const [id, tool] of Object.entries(TOOLS)) keys[tool.key.toLowerCase()] ??= () => state.set({ tool: id });
  if (!keys[key]) return;
  keys[key]();
  event.preventDefault();
}

/** @param {number} factor */
function resizeBrush(factor) {
  state.set({ sizePx: Math.min(Math.max(state.sizePx * factor, LEAST_BRUSH_PX), MOST_BRUSH_PX) });
}

function listen() {
  find("undo").addEventListener("click", () => turnBack("undo"));
  find("redo").addEventListener("click", () => turnBack("redo"));
  find("home").addEventListener("click", () => (location.hash = ""));
  find("play").addEventListener("click", togglePlay);
  find("large").addEventListener("click", toggleLarge);
  find("fit").addEventListener("click", () => view.fit());
  find("choose").addEventListener("click", () => find("file").click());
  find("file").addEventListener("change", () => {
    const [file] = find("file").files;
    find("file").value = "";
    if (file) void take(file);
  });
  find("labelme-in").addEventListener("click", () => find("labelme-file").click());
  find("labelme-file").addEventListener("change", () => {
    const [file] = find("labelme-file").files;
    const own = project;
    find("labelme-file").value = "";
    if (file && own) void change((base) => own.importLabelme(base, file));
  });
  for (const name of /** @type {const} */ (["regions", "flow", "depth"])) {
    const box = find(`show-${name}`);
    box.addEventListener("change", () => {
      view.shows[name] = box.checked;
      view.paint();
    });
  }
  document.addEventListener("keydown", press);
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    find("drop").classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) find("drop").classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    const file = event.dataTransfer?.files[0];
    if (file) void take(file);
  });
  document.addEventListener("visibilitychange", () => view.paint());
  window.addEventListener("hashchange", () => void route());
  let group = "";
  state.addEventListener("change", () => {
    hint();
    // Depth is seen while it is worked on.
    const now = TOOLS[state.tool].group;
    if (now !== group && (now === "Depth" || group === "Depth")) {
      find("show-depth").checked = view.shows.depth = now === "Depth";
      view.paint();
    }
    group = now;
  });
}

showTools(state);
showRegions(state, commit);
showSettings(state, commit);
listen();
Object.assign(window, { studio: { state, view, shown } });
void route();

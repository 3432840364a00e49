// The element <c3d-cinemagraph>: a photo that moves, in three dimensions.
//
// Attributes: src, poster, camera ("path", or "still": only a hand moves it), amplitude (0 to 1), autoplay ("false": starts
// paused), fit ("contain", or "cover"). Events: ready, loop (detail.count), error (detail.message). What is inside the element
// shows until the first frame, and where there is no WebGL2.

import { Camera } from "./camera.js";
import { Renderer, programsOf, shadersOf } from "./renderer.js";
import { readScene } from "./scene.js";

const STYLE = `
  :host { display: block; position: relative; overflow: hidden; touch-action: pan-y pinch-zoom; outline-offset: 2px; }
  :host([hidden]) { display: none; }
  canvas { position: absolute; inset: 0; width: 100%; height: 100%; opacity: 0; }
  :host([ready]) canvas { opacity: 1; }
  :host([ready]) ::slotted(*), :host([ready]) img { visibility: hidden; }
  ::slotted(img), img { display: block; width: 100%; height: 100%; object-fit: var(--c3d-fit, contain); }
`;
const KEY_STEP = 0.2; // of the reach
const SLICE_MS = 12; // after which the page has its turn, until the fluid's ways are known
const MOST_STEP_S = 0.1; // after a pause, time does not jump
const MARKS = "c3d-cinemagraph: "; // before what the browser's timeline shows: loaded, read, built, drawn
const USUAL = { fluid: {} }; // what is known of a scene that has not come yet: that most flow, and few sway

export class C3dCinemagraph extends HTMLElement {
  static observedAttributes = ["src", "poster", "camera", "amplitude", "fit"];

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.view = document.createElement("canvas");
    this.view.setAttribute("part", "canvas");
    root.append(this.view, document.createElement("slot"));
    /** @type {HTMLImageElement | null} */
    this.posterImage = null;
    /** @type {ArrayBuffer | null} */
    this.file = null;
    /** @type {import("./gl.js").Programs | null} */
    this.programs = null;
    /** @type {Renderer | null} */
    this.renderer = null;
    /** @type {Camera | null} */
    this.camera = null;
    this.timeS = 0;
    this.playing = false;
    this.onScreen = true;
    this.request = 0;
    this.last = 0;
    this.loads = 0;
    /** @type {Promise<void>} until what `src` names is shown, or another scene in its place */
    this.loading = Promise.resolve();
    this.traced = false;
    this.stillness = matchMedia("(prefers-reduced-motion: reduce)");
    this.resizes = new ResizeObserver(() => this.invalidate());
    this.sees = new IntersectionObserver((entries) => {
      this.onScreen = entries[entries.length - 1].isIntersecting;
      this.invalidate();
    });
    this.wakes = () => this.invalidate();
    /** @param {DeviceOrientationEvent} event */
    this.tilts = (event) => this.tilt(event);
    /** @type {[number, number] | null} */
    this.level = null;
    this.listen();
  }

  connectedCallback() {
    if (!this.hasAttribute("tabindex")) this.tabIndex = 0;
    if (!this.hasAttribute("role")) this.setAttribute("role", "img");
    this.resizes.observe(this);
    this.sees.observe(this);
    document.addEventListener("visibilitychange", this.wakes);
    this.stillness.addEventListener("change", this.wakes);
    window.addEventListener("deviceorientation", this.tilts);
    this.playing = this.getAttribute("autoplay") !== "false";
    this.prepare(USUAL);
    this.invalidate();
  }

  disconnectedCallback() {
    this.resizes.disconnect();
    this.sees.disconnect();
    document.removeEventListener("visibilitychange", this.wakes);
    this.stillness.removeEventListener("change", this.wakes);
    window.removeEventListener("deviceorientation", this.tilts);
    cancelAnimationFrame(this.request);
    this.request = 0;
  }

  /** @param {string} name @param {string | null} before @param {string | null} value */
  attributeChangedCallback(name, before, value) {
    if (name === "src" && value !== before && value) this.loading = this.load(value);
    if (name === "poster") this.setPoster(value);
    if (name === "fit") this.style.setProperty("--c3d-fit", this.fit);
    if (name === "camera" || name === "amplitude") this.invalidate();
  }

  /** @returns {"contain" | "cover"} */
  get fit() {
    return this.getAttribute("fit") === "cover" ? "cover" : "contain";
  }

  /** Frame of the motion's loop and of the camera's path that is shown. */
  get frame() {
    return this.renderer ? this.timeS * this.renderer.header.loop.fps : 0;
  }

  get paused() {
    return !this.playing;
  }

  play() {
    this.playing = true;
    this.invalidate();
  }

  pause() {
    this.playing = false;
  }

  /** @param {number} frame shows it, and stays there until play() */
  seek(frame) {
    if (!this.renderer) throw new Error("seek: expected a scene that is ready, got none");
    this.pause();
    this.traced = this.renderer.trace();
    this.timeS = frame / this.renderer.header.loop.fps;
    this.paint();
  }

  /** @param {string} url */
  async load(url) {
    const turn = ++this.loads;
    try {
      const response = await fetch(url);
      if (!response.ok) throw new Error(`src: cannot load ${url}: ${response.status}`);
      const file = await response.arrayBuffer();
      if (turn === this.loads) await this.setScene(file);
    } catch (error) {
      this.fail(error);
    }
  }

  /**
   * Shows another scene, at once and at the same moment: for a page that makes scenes.
   *
   * @param {ArrayBuffer} file what `src` names
   */
  async setScene(file) {
    ++this.loads;
    this.file = file;
    await this.start();
  }

  /**
   * Has the context and programs for a scene made, while that is loaded and read.
   *
   * @param {{fluid?: {copies?: unknown}, harmonics?: unknown}} header
   * @returns {boolean} whether there is a context
   */
  prepare(header) {
    const gl = this.view.getContext("webgl2", {
      alpha: true,
      antialias: false,
      depth: false,
      premultipliedAlpha: true,
    });
    if (!gl) return false;
    if (gl.isContextLost()) return true; // webglcontextrestored starts again
    this.programs ??= programsOf(gl);
    this.programs.start(shadersOf(header).first);
    return true;
  }

  /** Makes everything that a context holds; again after a lost context. */
  async start() {
    const { file } = this;
    if (!file) return;
    performance.mark(`${MARKS}loaded`);
    const turn = this.loads;
    const { header, contents } = readScene(file);
    if (!this.prepare(header)) throw new Error("WebGL2: this browser has none");
    const scene = await contents;
    if (turn !== this.loads || !this.programs || this.programs.gl.isContextLost()) return;
    performance.mark(`${MARKS}read`);
    this.renderer?.free();
    this.renderer = new Renderer(this.programs, scene);
    for (const picture of scene.pictures.values()) picture.close();
    if (this.camera) this.camera.header = scene.header;
    else this.camera = new Camera(scene.header);
    const isFirst = !this.hasAttribute("ready");
    this.traced = false;
    performance.mark(`${MARKS}built`);
    this.paint();
    performance.mark(`${MARKS}drawn`);
    this.toggleAttribute("ready", true);
    if (isFirst) this.dispatchEvent(new Event("ready"));
    this.invalidate();
    this.follow(this.renderer).catch((error) => this.fail(error));
  }

  /**
   * Lets the fluid's ways be followed, after the first frame and between others; then the motion starts.
   *
   * @param {Renderer} renderer
   */
  async follow(renderer) {
    this.programs?.start(shadersOf(renderer.header).later);
    while (renderer === this.renderer && !this.traced) {
      this.traced = renderer.trace(SLICE_MS);
      await new Promise((resolve) => setTimeout(resolve));
    }
    this.invalidate();
  }

  /** @param {unknown} error */
  fail(error) {
    this.renderer = null;
    this.toggleAttribute("ready", false);
    const message = error instanceof Error ? error.message : String(error);
    this.dispatchEvent(new ErrorEvent("error", { message, error }));
  }

  /** @param {string | null} url */
  setPoster(url) {
    this.posterImage?.remove();
    this.posterImage = null;
    if (!url) return;
    this.posterImage = document.createElement("img");
    this.posterImage.alt = "";
    this.posterImage.src = url;
    this.shadowRoot?.append(this.posterImage);
  }

  /** Asks for a frame, unless nobody would see it. */
  invalidate() {
    if (this.request || !this.renderer || !this.isConnected) return;
    if (!this.onScreen || document.hidden) return;
    this.last = 0;
    this.request = requestAnimationFrame((now) => this.tick(now));
  }

  /** @param {number} now ms */
  tick(now) {
    this.request = 0;
    const { renderer, camera } = this;
    if (!renderer || !camera || !this.onScreen || document.hidden) return;
    const seconds = this.last ? Math.min((now - this.last) / 1000, MOST_STEP_S) : 0;
    this.last = now;
    const plays = this.playing && this.traced && !this.stillness.matches;
    const moves = camera.step(seconds);
    if (plays) {
      const period = renderer.header.path.poses.length / renderer.header.loop.fps;
      const before = Math.floor(this.timeS / period);
      this.timeS += seconds;
      const count = Math.floor(this.timeS / period);
      if (count > before) this.dispatchEvent(new CustomEvent("loop", { detail: { count } }));
    }
    this.paint();
    if (plays || moves) this.request = requestAnimationFrame((next) => this.tick(next));
  }

  paint() {
    const { renderer, camera, view } = this;
    if (!renderer || !camera) return;
    const ratio = window.devicePixelRatio;
    const width = Math.max(Math.round(this.clientWidth * ratio), 1);
    const height = Math.max(Math.round(this.clientHeight * ratio), 1);
    if (view.width !== width || view.height !== height) [view.width, view.height] = [width, height];
    const amplitude = this.hasAttribute("amplitude") ? Number(this.getAttribute("amplitude")) : 1;
    camera.amplitude = this.getAttribute("camera") === "still" || !(amplitude >= 0) ? 0 : Math.min(amplitude, 1);
    const frame = this.stillness.matches ? 0 : this.frame;
    renderer.draw(camera.viewAt(frame), this.traced ? frame : 0);
    renderer.show(this.fit);
  }

  listen() {
    const { view } = this;
    view.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.renderer = this.programs = null;
    });
    view.addEventListener("webglcontextrestored", () => void this.start().catch((error) => this.fail(error)));
    this.addEventListener("pointerdown", (event) => {
      if (!this.camera || !event.isPrimary || event.button !== 0) return;
      this.setPointerCapture(event.pointerId);
      this.camera.holds = true;
      this.camera.moveTo(this.camera.hand[0], this.camera.hand[1]);
      this.invalidate();
    });
    this.addEventListener("pointermove", (event) => {
      if (!this.camera || !event.isPrimary) return;
      if (this.camera.holds) {
        this.camera.drag(event.movementX, event.movementY, this.clientWidth);
      } else if (event.pointerType === "mouse") {
        const box = this.getBoundingClientRect();
        this.camera.moveTo((event.clientX - box.left) / box.width - 0.5, (event.clientY - box.top) / box.height - 0.5);
      }
      this.invalidate();
    });
    for (const name of ["pointerup", "pointercancel"]) {
      this.addEventListener(name, () => {
        if (this.camera) this.camera.holds = false;
      });
    }
    this.addEventListener("keydown", (event) => this.press(event));
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (!this.camera || event.ctrlKey || event.metaKey || event.altKey) return;
    /** @type {Record<string, [number, number]>} */
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const step = steps[event.key];
    if (step) {
      const [x, y] = this.camera.wanted;
      this.camera.moveTo(x + KEY_STEP * step[0], y + KEY_STEP * step[1]);
      this.invalidate();
    } else if (event.key === " ") {
      if (this.playing) this.pause();
      else this.play();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** @param {DeviceOrientationEvent} event */
  tilt({ beta, gamma }) {
    if (!this.camera || beta === null || gamma === null || this.stillness.matches) return;
    this.level ??= [gamma, beta];
    const [x, y] = this.level;
    // How a hand holds the device becomes level by and by.
    this.level = [x + 0.02 * (gamma - x), y + 0.02 * (beta - y)];
    if (Math.hypot(gamma - x, beta - y) < 0.5) return;
    this.camera.tilt(gamma - x, beta - y);
    this.invalidate();
  }
}

customElements.define("c3d-cinemagraph", C3dCinemagraph);

"""Draw exported files in Chromium by other programs' viewers: ``python in_browser.py FOLDER NODE_MODULES``.

``FOLDER`` holds ``animated.glb``, drawn by three.js at rest, at half the loop and from a side, and ``splats.ply`` and
``splats.spz``, drawn by Spark; ``NODE_MODULES`` is where ``npm install three @sparkjsdev/spark`` put them. Pictures go to
``FOLDER``.
"""

from __future__ import annotations

import functools
import http.server
import sys
import threading
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE = {"width": 480, "height": 320}
PAGES = {
    "three_rest": "mesh.html?file=animated.glb",
    "three_half": "mesh.html?file=animated.glb&at=0.5",
    "three_side": "mesh.html?file=animated.glb&right=0.06",
    "spark_ply": "splats.html?file=splats.ply&down=1",
    "spark_spz": "splats.html?file=splats.spz",
}
HEAD = """<!doctype html><body style="margin:0"><script type="importmap">{"imports": {
"three": "/nm/three/build/three.module.js", "three/addons/": "/nm/three/examples/jsm/",
"@sparkjsdev/spark": "/nm/@sparkjsdev/spark/dist/spark.module.js"}}</script><script type="module">
import * as THREE from "three";
const asked = new URLSearchParams(location.search), number = (name) => Number(asked.get(name) ?? 0);
const renderer = new THREE.WebGLRenderer({preserveDrawingBuffer: true}), scene = new THREE.Scene();
renderer.setSize(480, 320); document.body.append(renderer.domElement);
const show = (camera, isDrawn = () => true) => renderer.setAnimationLoop(() => {
  renderer.render(scene, camera);
  if (isDrawn()) { renderer.setAnimationLoop(null); document.title = "ready"; } });
"""
MESH = """import { GLTFLoader } from "three/addons/loaders/GLTFLoader.js";
const file = await new GLTFLoader().loadAsync("/files/" + asked.get("file")), camera = file.cameras[0];
const mixer = new THREE.AnimationMixer(file.scene); scene.add(file.scene);
for (const clip of file.animations) { mixer.clipAction(clip).play(); mixer.setTime(number("at") * clip.duration); }
camera.aspect = 1.5; camera.updateProjectionMatrix(); camera.position.x += number("right"); show(camera);
</script>"""
SPLATS = """import { SparkRenderer, SplatMesh } from "@sparkjsdev/spark";
const splats = new SplatMesh({url: "/files/" + asked.get("file")});
scene.add(new SparkRenderer({renderer}), splats); await splats.initialized;
if (number("down")) splats.quaternion.set(1, 0, 0, 0);  // a PLY's y points down
// Spark sorts in a worker, and draws nothing but a triangle before; software GL takes a minute for 15,000 Gaussians.
show(new THREE.PerspectiveCamera(36.8, 1.5, 0.01, 100), () => renderer.info.render.triangles > 1);
</script>"""


class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args: object, folder: Path, modules: Path) -> None:
        self.places = {"files": folder, "nm": modules}
        super().__init__(*args)

    def do_GET(self) -> None:
        page = {"/mesh.html": MESH, "/splats.html": SPLATS}.get(self.path.partition("?")[0])
        if page is None:
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write((HEAD + page).encode())

    def translate_path(self, path: str) -> str:
        first, _, rest = path.partition("?")[0].lstrip("/").partition("/")
        return str(self.places.get(first, Path("/nonexistent")) / rest)

    def log_message(self, *_: object) -> None:
        pass


def main(folder: str, modules: str) -> None:
    handler = functools.partial(Handler, folder=Path(folder), modules=Path(modules))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--use-angle=swiftshader"])
        for name, address in PAGES.items():
            page = browser.new_page(viewport=SIZE)
            page.set_default_timeout(600_000)
            page.on("pageerror", lambda error, name=name: print(name, error))
            page.goto(f"http://127.0.0.1:{server.server_port}/{address}")
            page.wait_for_function("document.title === 'ready'")
            page.screenshot(path=Path(folder) / f"{name}.png")
            print(name)
            page.close()
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])

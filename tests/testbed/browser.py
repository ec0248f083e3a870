"""Headless Chromium as the second program: a page reads a camera through getUserMedia and posts what it saw."""

import http.server
import json
import queue
import threading
from typing import Any

from tests.testbed import picture
from tests.testbed.rig import Rig, check

LIMIT_S = 150.0
FRAMES = 8
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--use-fake-ui-for-media-stream",
    "--disable-dev-shm-usage", "--mute-audio", "--disable-features=AudioServiceOutOfProcess",
)  # fmt: skip

PAGE = """<!doctype html><video id="v" muted playsinline></video><script>
const want = WANT;
const post = what => fetch('/', {method: 'POST', body: JSON.stringify(what)});
async function read() {
  const stop = stream => stream.getTracks().forEach(track => track.stop());
  await navigator.mediaDevices.getUserMedia({video: {width: 320, height: 180}}).then(stop, () => {});
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(d => d.kind == 'videoinput');
  const names = cameras.map(d => d.label);
  const mine = cameras.find(d => d.label.startsWith(want.name));
  if (!mine) return post({cameras: names, size: [0, 0], frames: []});
  const video = document.getElementById('v');
  video.srcObject = await navigator.mediaDevices.getUserMedia({video: {deviceId: {exact: mine.deviceId},
    width: want.size[0], height: want.size[1]}});
  await video.play();
  const canvas = new OffscreenCanvas(video.videoWidth, video.videoHeight);
  const context = canvas.getContext('2d', {willReadFrequently: true});
  const frames = [];
  const look = () => {
    context.drawImage(video, 0, 0);
    const all = context.getImageData(0, 0, canvas.width, canvas.height).data;
    const at = ([x, y]) => 4 * (y * canvas.width + x);
    frames.push(want.points.map(point => Array.from(all.slice(at(point), at(point) + 3))));
    if (frames.length < want.frames) video.requestVideoFrameCallback(look);
    else post({cameras: names, size: [canvas.width, canvas.height], frames: frames});
  };
  video.requestVideoFrameCallback(look);
}
read().catch(error => post({error: String(error)}));
</script>"""


def ask_browser(rig: Rig, name: str, size: tuple[int, int]) -> dict[str, Any]:
    """Read the camera whose label begins with `name`.

    Returns cameras (labels), size, frames: for each the RGB at the counter's, the bars' and the ramp's points.
    """
    points = [*picture.count_points(size), *picture.bar_points(size), *picture.ramp_points(size)]
    want = {"name": name, "size": size, "points": points, "frames": FRAMES}
    answers: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), _handler(PAGE.replace("WANT", json.dumps(want)), answers)
    )
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/"
        rig.program(["chromium", *FLAGS, f"--user-data-dir={rig.folder}/chromium", url], {"HOME": str(rig.folder)})
        try:
            told = answers.get(timeout=LIMIT_S)
        except queue.Empty:
            told = {"error": f"no answer within {LIMIT_S:.0f} s"}
    finally:
        server.shutdown()
        server.server_close()
    check("error" not in told, f"Chromium: {told.get('error')}")
    check(bool(told["frames"]), f"Chromium does not list '{name}', only {told['cameras']}")
    return told


def _handler(page: str, answers: "queue.SimpleQueue[dict[str, Any]]") -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(page.encode() if self.path == "/" else b"")

        def do_POST(self) -> None:
            answers.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self._answer(b"")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler

"""Measures Mattecam beside its peers in one run: speed, processor time, overlap with true mattes, flicker.

python tests/benchmarks/peers.py --clip VIDEO --pairs FOLDER [--mediapipe FILE]
    [--page --about-clip WORDS --about-pairs WORDS]

--clip: a video of a person. --pairs: pictures with true mattes, in any layout of docs/accuracy.md. --mediapipe:
selfie_segmentation.onnx. --page: write docs/peers.md, its plots and the raw results; without --clip, from the raw
results that lie there.
"""

import argparse
import itertools
import json
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from matting_core import benchmark  # noqa: E402
from matting_core.atomic import write_atomically  # noqa: E402
from matting_core.errors import MattecamError, MediaError, ModelError, UsageError  # noqa: E402
from matting_core.fit import fit_image  # noqa: E402
from matting_core.pairs import Pair, find_pairs, read_frames  # noqa: E402
from tests.benchmarks.contenders import THREADS, Contender, all_contenders  # noqa: E402
from tests.benchmarks.peer_process import PeerProcess  # noqa: E402
from tests.benchmarks.peers_page import table, write_page  # noqa: E402
from tests.benchmarks.rvm_weights import rvm_weights  # noqa: E402

WIDTH, HEIGHT = 1280, 720
BLOCK = 10
TWIN_BLOCK = 2
"""A twin has no mattes to compare, so a few frames of each block suffice."""
BUSY_S = 2.0
"""So long is watched, before the run, how busy others keep the machine."""
SETTLE_S = 0.1
"""Before each block: threads of the one before may go on spinning for some milliseconds."""
DOCS = ROOT / "docs"


def measure(clip: Path, frames: int, pairs: list[Pair], contenders: list[Contender], absent: dict[str, str]) -> Any:
    """Raw results of all contenders on the clip and the pictures, as peers_page takes them. Raises MattecamError."""
    busy = psutil.cpu_percent(interval=BUSY_S)
    with tempfile.TemporaryDirectory(prefix="mattecam-peers-") as folder, ExitStack() as stack:
        file = Path(folder) / "frames.npy"
        count, size = _decode(clip, frames, file)
        peers = []
        for contender in contenders:
            peer = stack.enter_context(PeerProcess(contender, file))
            try:
                peers.append((peer, {"runs": peer.open()}))
            except MattecamError as error:
                if contender is contenders[0]:
                    raise  # every ratio is to this one
                absent[contender.name] = error.problem
        rows = [_row(peer, extra) for peer, extra in peers]
        for start in range(0, count, BLOCK):
            for (peer, _), row in zip(peers, rows, strict=True):
                time.sleep(SETTLE_S)
                wall, processor = peer.block(start, min(start + (TWIN_BLOCK if row["twin"] else BLOCK), count))
                row["ms"].append([round(ms, 3) for ms in wall])
                row["cpu_ms"].append([round(ms, 3) for ms in processor])
                print(f"frames {start:3}  {row['name']:36} {np.median(wall):8.1f} ms", file=sys.stderr)
        for (peer, _), row in zip(peers, rows, strict=True):
            if row["twin"]:
                continue
            row.update(peer.flicker())
            row["iou"] = [round(iou, 5) for iou in peer.overlaps(pairs)]
            print(f"pictures    {row['name']:36} {np.mean(row['iou']):8.4f} IoU", file=sys.stderr)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": benchmark.machine() | {"cores_used": len(_cores()), "threads": THREADS, "busy_percent": round(busy)},
        "versions": benchmark.versions() | _torch_version(),
        "clip": {"frames": count, "width": size[0], "height": size[1]},
        "frame": {"width": WIDTH, "height": HEIGHT},
        "pictures": len(pairs),
        "contenders": rows,
        "absent": absent,
    }


def _row(peer: PeerProcess, extra: dict[str, Any]) -> dict[str, Any]:
    one = peer.contender
    size = one.input_size(HEIGHT, WIDTH)
    return {"name": one.name, "licence": one.licence, "input": size, "twin": one.twin, **extra, "ms": [], "cpu_ms": []}


def _decode(clip: Path, frames: int, file: Path) -> tuple[int, tuple[int, int]]:
    """Put the clip's first frames, fitted to 720p, into a file that all processes map; their number and own size."""
    pictures = list(itertools.islice(read_frames(clip), frames))
    if len(pictures) < BLOCK:
        raise MediaError(f"The clip {clip} is too short.", f"Give one of at least {BLOCK} frames.")
    np.save(file, np.stack([fit_image(picture, WIDTH, HEIGHT) for picture in pictures]))
    return len(pictures), (pictures[0].shape[1], pictures[0].shape[0])


def _limit_cores() -> None:
    """Let this process, and those that it starts, run on THREADS cores only, where the system can do that."""
    os.environ.setdefault("OMP_NUM_THREADS", str(THREADS))
    process = psutil.Process()
    if hasattr(process, "cpu_affinity"):
        process.cpu_affinity(process.cpu_affinity()[:THREADS])


def _cores() -> list[int]:
    process = psutil.Process()
    found: list[int] = process.cpu_affinity() if hasattr(process, "cpu_affinity") else list(range(os.cpu_count() or 1))
    return found


def _torch_version() -> dict[str, str]:
    from importlib import metadata

    try:
        return {"torch": metadata.version("torch")}
    except metadata.PackageNotFoundError:
        return {}


def _run(options: argparse.Namespace) -> Any:
    """Measure as the options say, or read the results of an earlier run."""
    raw = DOCS / "peers.json"
    if options.clip is None:
        if not (options.page and raw.is_file()):
            raise UsageError("There is nothing to measure.", "Give --clip and --pairs.")
        return json.loads(raw.read_text(encoding="utf-8"))
    if options.page and not (options.about_clip and options.about_pairs):
        raise UsageError("The page has to say what was measured.", "Give --about-clip and --about-pairs.")
    if options.pairs is None:
        raise UsageError("There is nothing to compare mattes with.", "Give --pairs, too.")
    pairs = list(find_pairs(options.pairs).pairs)[: options.pictures]
    _limit_cores()
    try:
        rvm = rvm_weights()
    except ModelError as error:
        print(error, file=sys.stderr)
        rvm = None
    results = measure(options.clip, options.frames, pairs, *all_contenders(options.mediapipe, rvm))
    results["about"] = {"clip": options.about_clip, "pairs": options.about_pairs}
    if options.page:
        write_atomically(raw, (json.dumps(results, indent=1, ensure_ascii=False) + "\n").encode())
    return results


def main() -> int:
    """0, or 1 with one sentence on standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path)
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--mediapipe", type=Path)
    parser.add_argument("--page", action="store_true", help="write docs/peers.md, its plots and docs/peers.json")
    parser.add_argument("--frames", type=int, default=40, help="frames of the clip (default 40)")
    parser.add_argument("--pictures", type=int, default=80, help="pictures of the folder (default 80)")
    parser.add_argument("--about-clip", metavar="WORDS", help="what the page calls the clip")
    parser.add_argument("--about-pairs", metavar="WORDS", help="what the page calls the pictures")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the decoded clip is removed
    try:
        results = _run(options)
        if options.page:
            write_page(results, DOCS)
    except MattecamError as error:
        print(error, file=sys.stderr)
        return 1
    print(table(results))
    if options.json:
        print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())

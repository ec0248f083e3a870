"""Measures what a frame costs by its size and by the cores, live pictures, and the window's start and memory.

python tests/benchmarks/scale.py [--preset NAME] [--seconds N] [--json]

Every part runs the program itself in processes of its own, with a home of their own, one part after the other. The
window needs a display, or xvfb-run. docs/speed.md, Scale, says what came out.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from app.bench_command import BACKGROUND  # noqa: E402
from matting_core.benchmark import machine, versions  # noqa: E402
from matting_core.presets import PRESETS  # noqa: E402

SIZES = ("640x360", "1280x720", "1920x1080", "3840x2160")
LIVE_SIZE = "1280x720"
LIVE_FPS = 60
BEHIND = (BACKGROUND, "blur")
WINDOW, LIVE = (Path(__file__).with_name(f"scale_{part}.py") for part in ("window", "live"))


class MeasuringFailed(Exception):
    """A part ended badly; its last words."""


def start(words: list[str], home: str, cores: list[int] | None = None) -> subprocess.Popen[str]:
    """This Python with these words, held to some cores, and with settings of its own."""
    folders = dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME"), home)
    # A child takes its cores from its parent, and Linux alone lets them be taken away.
    before = os.sched_getaffinity(0) if sys.platform.startswith("linux") else set()
    if cores and before:
        os.sched_setaffinity(0, cores)
    try:
        return subprocess.Popen(
            words,
            cwd=ROOT,
            env={**os.environ, **folders},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    finally:
        if before:
            os.sched_setaffinity(0, before)


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The JSON object on the last line of what it says. Raises MeasuringFailed."""
    said, complaint = process.communicate()
    if process.returncode or not said.strip():
        raise MeasuringFailed((complaint.strip().splitlines() or ["no word"])[-1])
    found: dict[str, Any] = json.loads(said.strip().splitlines()[-1])
    return found


def sizes(preset: str, seconds: float, home: str) -> dict[str, Any]:
    """`bench` at every size with all cores, and at LIVE_SIZE with one."""
    main = [sys.executable, str(ROOT / "main.py"), "bench", "--preset", preset, "--seconds", str(seconds), "--json"]
    rows = {size: answer(start([*main, "--size", size], home)) for size in SIZES}
    if sys.platform.startswith("linux") and (psutil.cpu_count() or 1) > 1:
        first = min(os.sched_getaffinity(0))
        rows[f"{LIVE_SIZE}, one core"] = answer(start([*main, "--size", LIVE_SIZE], home, [first]))
    return {
        name: {"fps": row["fps"], **{k: v["p50_ms"] for k, v in row["stages"].items()}} for name, row in rows.items()
    }


def live(preset: str, seconds: float, home: str) -> dict[str, Any]:
    """A live picture from a webcam's JPEGs at LIVE_SIZE and LIVE_FPS, before each of BEHIND."""
    words = [sys.executable, str(LIVE), str(seconds), preset, LIVE_SIZE, str(LIVE_FPS)]
    return {background: answer(start([*words, background], home)) for background in BEHIND}


def two_at_once(preset: str, seconds: float, home: str) -> list[dict[str, Any]]:
    """Two live pictures of the demo at LIVE_SIZE and 30 fps with blur, start-up included."""
    words = [sys.executable, str(ROOT / "main.py"), "run", "--camera", "demo", "--background", "blur"]
    words += ["--preset", preset, "--output", "null", "--seconds", str(seconds), "--json"]
    both = [start(words, home) for _ in range(2)]
    rows = [answer(one) for one in both]
    return [{key: row[key] for key in ("fps", "processor_share", "slates")} for row in rows]


def window(preset: str, seconds: float, home: str) -> dict[str, Any]:
    """The window's first frame, and its memory in a tour through the presets."""
    tour = [preset, *(name for name in PRESETS if name != preset), preset]
    words = [sys.executable, str(WINDOW), str(seconds / len(tour)), *tour]
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        if shutil.which("xvfb-run") is None:
            return {}
        words = ["xvfb-run", "-a", *words]
    return answer(start(words, home))


def table(results: dict[str, Any]) -> str:
    """What was measured, in Markdown."""
    rows = results["sizes"]
    names = [name for name in next(iter(rows.values())) if name != "fps"]
    lines = [" | ".join(["", "", *names, "fps"]).strip() + " |", "| --- " * (len(names) + 2) + "|"]
    for size, row in rows.items():
        lines.append("| " + " | ".join([size, *(f"{row[name]:.2f}" for name in names), f"{row['fps']:.1f}"]) + " |")
    lines += [
        f"live from {LIVE_FPS} fps, {background}: {row['fps']} fps, {row['captured'] - row['shown']} of "
        f"{row['captured']} frames dropped, {row['latency_p50_ms']} ms from camera to output "
        f"({row['latency_p95_ms']} at p95), {row['processor_share']:.0%} of the processor"
        for background, row in results["live"].items()
    ]
    lines.append(f"two at once: {' and '.join(str(row['fps']) for row in results['two'])} fps")
    if results["window"]:
        one = results["window"]
        lines.append(
            f"window: first frame after {one['first_frame_s']:.2f} s; at most "
            f"{', '.join(f'{most} MB with {preset}' for preset, most in one['peak_mb'].items())}; "
            f"{one['end_mb']} MB in the end; {one['late_slates']} slates after the first frame"
        )
    else:
        lines.append("window: not measured, there is no display and no xvfb-run")
    return "\n".join(lines)


def main() -> int:
    """0, or 1 with one sentence on standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", choices=tuple(PRESETS), default="fast")
    parser.add_argument("--seconds", type=float, default=12.0, help="for each part (default 12)")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mattecam-scale-") as home:
        try:
            results = {
                "sizes": sizes(options.preset, options.seconds, home),
                "live": live(options.preset, options.seconds, home),
                "two": two_at_once(options.preset, options.seconds, home),
                "window": window(options.preset, 4 * options.seconds, home),
                "machine": machine(),
                "versions": versions(),
            }
        except MeasuringFailed as error:
            print(f"A part failed: {error}", file=sys.stderr)
            return 1
    print(table(results))
    if options.json:
        print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())

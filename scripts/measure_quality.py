"""Measures what a viewer sees: flicker, lag, colour at the rim, and the time each step of the blend takes.

.venv/bin/python scripts/measure_quality.py --clip VIDEO --cutouts FOLDER --backgrounds FOLDER [--json]

--clip: a video of a person. --cutouts: pictures of people with their own alpha (RGBA PNG), taken for the truth.
--backgrounds: pictures of rooms. docs/quality.md says what came out.
"""

import argparse
import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

import cv2
import numpy as np
import numpy.typing as npt

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from matting_core.background import BlurBackground
from matting_core.benchmark import machine, versions
from matting_core.buffers import Buffers
from matting_core.composite import Compositor, Edges
from matting_core.engine import MattingEngine, checked_predict, create_engine
from matting_core.errors import MattecamError, MediaError
from matting_core.fit import fit_image
from matting_core.foreground import estimate_foreground, estimate_plates, foreground_at
from matting_core.frames import Alpha, FloatAlpha, Frame, Image, MattedFrame
from matting_core.metrics import as_unit, unknown_band
from matting_core.model_store import ModelStore
from matting_core.pairs import read_frames
from matting_core.pictures import read_image
from matting_core.preprocess import network_size, restore_alpha, shrink, to_blob
from matting_core.presets import DEFAULT_PRESET, find_preset
from matting_core.runs import runs_that_differ
from matting_core.stabilise import STABILISERS, make_stabiliser

Floats = npt.NDArray[np.float32]
T = TypeVar("T")
WIDTH, HEIGHT = 1280, 720
STILL = 2.0  # mean change of the colours, in levels, below which a place stands still
CAMERA_NOISE = 3.0  # standard deviation, in levels, of what is added to made-up frames
SWING = 6.0  # frames to a radian of the swing
MOTION_FRAMES = 76  # two whole swings: a part of one would favour what comes late or goes late
ROOMS_EACH = 2
MOTIONS = {"fast": 35.0, "slow": 6.0}  # the most that a cut-out moves from frame to frame, in pixels


@dataclass(frozen=True)
class Network:
    """The network at one preset's size."""

    engine: MattingEngine
    long_side: int

    def matte(self, image: Image) -> tuple[FloatAlpha, Image]:
        """Alpha and picture at the network's size."""
        height, width = image.shape[:2]
        small = shrink(image, network_size(height, width, self.long_side))
        return checked_predict(self.engine, to_blob(small)), small


@dataclass(frozen=True)
class Cutout:
    """A person with the true alpha on a 720p canvas: float32, premultiplied BGR in [0, 255], alpha in [0, 1]."""

    name: str
    colours: Floats
    alpha: Floats

    def over(self, room: Image, shift: float = 0.0, noise: Floats | None = None) -> tuple[Image, Floats]:
        """The camera's picture of the person in a room, moved sideways by that many pixels, and its true alpha."""
        move = np.array([[1, 0, shift], [0, 1, 0]], np.float32)
        colours, alpha = (cv2.warpAffine(part, move, (WIDTH, HEIGHT)) for part in (self.colours, self.alpha))
        picture = colours + room * (1 - alpha[..., None])
        if noise is not None:
            picture += noise
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8), alpha.astype(np.float32)


def read_cutout(path: Path) -> Cutout:
    """A picture with its own alpha, fitted whole to the canvas, standing on its lower edge."""
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None or image.ndim != 3 or image.shape[2] != 4 or image.dtype != np.uint8:
        raise MediaError(f"The picture {path} has no alpha channel.", "Give cut-outs as RGBA PNG files.")
    alpha = image[..., 3].astype(np.float32) / 255
    colours = image[..., :3] * alpha[..., None]
    scale = min(WIDTH / image.shape[1], HEIGHT / image.shape[0])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    left = (WIDTH - size[0]) // 2
    placed = [np.zeros((HEIGHT, WIDTH, 3), np.float32), np.zeros((HEIGHT, WIDTH), np.float32)]
    for target, part in zip(placed, (colours, alpha), strict=True):
        target[HEIGHT - size[1] :, left : left + size[0]] = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return Cutout(path.stem, placed[0], placed[1])


def read_folder(folder: Path, read: Callable[[Path], T], suffixes: tuple[str, ...]) -> list[T]:
    """Every picture of a folder by one reader, in the order of the names. MediaError where there is none."""
    files = sorted(path for path in folder.glob("*") if path.suffix.lower() in suffixes)
    if not files:
        raise MediaError(f"There are no {', '.join(suffixes)} pictures in {folder}.", "Give another folder.")
    return [read(path) for path in files]


def smoothed(name: str, mattes: list[tuple[FloatAlpha, Image]]) -> dict[int, FloatAlpha]:
    """What a stabiliser makes of these mattes, by the number of the frame that each belongs to."""
    stabiliser = make_stabiliser(name)
    answers = (stabiliser.push(alpha, guide, index) for index, (alpha, guide) in enumerate(mattes))
    return {index: alpha.copy() for alpha, index in (answer for answer in answers if answer is not None)}


def flicker(network: Network, clip: Path, frames: int) -> dict[str, Any]:
    """Mean |Δα| between consecutive frames where the picture stands still, at the network's size."""
    mattes = [network.matte(image) for image in itertools.islice(read_frames(clip), frames)]
    if len(mattes) < 3:
        raise MediaError(f"The clip {clip} is too short.", "Give one of at least three frames.")
    guides = [guide for _, guide in mattes]
    # The last frame is left out: the one-frame delay never answers for it.
    pairs = list(itertools.pairwise(range(len(mattes) - 1)))
    still = {pair: cv2.absdiff(guides[pair[0]], guides[pair[1]]).mean(axis=2) < STILL for pair in pairs}
    pixels = sum(int(places.sum()) for places in still.values())
    result: dict[str, Any] = {"frames": len(mattes), "still_share": pixels / (len(pairs) * guides[0][..., 0].size)}
    for name in STABILISERS:
        alpha = smoothed(name, mattes)
        change = sum(float(np.abs(alpha[a] - alpha[b])[still[a, b]].sum(dtype=np.float64)) for a, b in pairs)
        result[name] = change / max(pixels, 1)
    return result


def motion(network: Network, cutouts: list[Cutout], rooms: list[Image]) -> dict[str, Any]:
    """MAD ×10³ of the smoothed mattes of cut-outs swinging sideways, over all pixels and near the true edge.

    worst_case and worst_edge: the largest ratio of "motion" to "off" among the sequences.
    """
    result: dict[str, Any] = {}
    for kind, pace in MOTIONS.items():
        errors: dict[str, list[tuple[float, float]]] = {name: [] for name in STABILISERS}
        for number, cutout in enumerate(cutouts):
            for room in range(ROOMS_EACH):
                behind = rooms[(number + room * len(rooms) // ROOMS_EACH) % len(rooms)]
                mattes, truths = _swing(network, cutout, behind, pace)
                for name in STABILISERS:
                    answer = smoothed(name, mattes)
                    # The last frame is left out: the one-frame delay never answers for it.
                    mads = [_mad(answer[index], truths[index]) for index in range(MOTION_FRAMES - 1)]
                    errors[name].append(tuple(np.mean(mads, axis=0) * 1e3))
        result[kind] = {"sequences": len(errors["off"])}
        for name, values in errors.items():
            result[kind][name] = dict(zip(("mad", "edge_mad"), map(float, np.mean(values, axis=0)), strict=True))
        ratios = np.divide(errors["motion"], errors["off"]).max(axis=0)
        result[kind] |= dict(zip(("worst_case", "worst_edge"), map(float, ratios), strict=True))
    return result


def _swing(
    network: Network, cutout: Cutout, room: Image, pace: float
) -> tuple[list[tuple[FloatAlpha, Image]], list[Floats]]:
    """The network's mattes, and the true ones at its size, of a cut-out that moves by at most `pace` pixels a frame."""
    grain = np.random.default_rng(0).normal(0, CAMERA_NOISE, cutout.colours.shape).astype(np.float32)
    mattes, truths = [], []
    for index in range(MOTION_FRAMES):
        noise = np.roll(grain, (index * 97, index * 331), (0, 1))  # another grain each frame, at little cost
        picture, alpha = cutout.over(room, pace * SWING * np.sin(index / SWING), noise)
        mattes.append(network.matte(picture))
        size = mattes[0][0].shape[::-1]
        truths.append(cv2.resize(alpha, size, interpolation=cv2.INTER_AREA).astype(np.float32))
    return mattes, truths


def _mad(alpha: FloatAlpha, truth: Floats) -> tuple[float, float]:
    difference = np.abs(alpha - truth)
    return float(difference.mean(dtype=np.float64)), float(difference[unknown_band(truth)].mean(dtype=np.float64))


def colour(network: Network, cutouts: list[Cutout], rooms: list[Image]) -> dict[str, Any]:
    """Mean absolute error, in levels, of the person's colours where the true alpha is between 0 and 1.

    As one sees it: of the blend over another room, with the network's alpha, against the true blend.
    """
    rows: dict[str, list[tuple[float, float]]] = {"true_alpha": [], "network_alpha": [], "as_seen": []}
    for number, (cutout, room) in enumerate(itertools.product(cutouts, rooms)):
        picture, alpha = cutout.over(room)
        true = cutout.colours / np.maximum(alpha, 1e-6)[..., None]
        exact: Alpha = np.rint(alpha * 255).astype(np.uint8)
        matte = restore_alpha(network.matte(picture)[0], HEIGHT, WIDTH)
        rim = (exact > 0) & (exact < 255)
        both = rim & (matte > 0) & (matte < 255)
        estimate = estimate_foreground(picture, matte)
        rows["true_alpha"].append((_error(picture, true, rim), _error(estimate_foreground(picture, exact), true, rim)))
        rows["network_alpha"].append((_error(picture, true, both), _error(estimate, true, both)))
        other = rooms[(number + 1) % len(rooms)]
        target = cutout.colours + other * (1 - alpha[..., None])
        blends = (other + as_unit(matte)[..., None] * (part.astype(np.float32) - other) for part in (picture, estimate))
        rows["as_seen"].append(tuple(_error(blend, target, rim) for blend in blends))  # type: ignore[arg-type]
    result: dict[str, Any] = {"composites": len(rows["true_alpha"])}
    for name, pairs in rows.items():
        camera, ours = np.mean(pairs, axis=0)
        worst = max(after / before for before, after in pairs)
        result[name] = {"camera": float(camera), "estimate": float(ours), "ratio": float(ours / camera), "worst": worst}
    return result


def _error(picture: npt.NDArray[Any], truth: npt.NDArray[Any], where: npt.NDArray[np.bool_]) -> float:
    return float(np.abs(picture[where].astype(np.float32) - truth[where]).mean(dtype=np.float64))


def timing(network: Network, clip: Path, room: Image, rounds: int) -> dict[str, Any]:
    """Milliseconds per 720p frame of each step, in turn, and as a share of the plain blend of the same round."""
    frames = list(itertools.islice(read_frames(clip), 0, 150, 30))
    images = [fit_image(image, WIDTH, HEIGHT) for image in frames]
    matted = [MattedFrame(Frame(x, 0.0, 0), restore_alpha(network.matte(x)[0], HEIGHT, WIDTH)) for x in images]
    canvas = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    compositors = {name: Compositor(WIDTH, HEIGHT) for name in ("plain", "image", "blur", "transparent")}
    blurred = BlurBackground(20, HEIGHT)
    scratch, edge = Buffers(), np.empty((HEIGHT, WIDTH), np.uint8)
    i420 = np.empty((HEIGHT * 3 // 2, WIDTH), np.uint8)

    def decontaminate(one: MattedFrame) -> None:
        plates = estimate_plates(one.frame.image, one.alpha, scratch)
        solid = cast(Alpha, cv2.threshold(one.alpha, 254, 255, cv2.THRESH_BINARY, dst=edge)[1])
        for at in runs_that_differ(one.alpha, solid, scratch).chunks():
            foreground_at(plates, one.frame.image, at.unit(one.alpha, "matte"), at)

    steps: dict[str, Callable[[MattedFrame], object]] = {
        "blend": lambda one: compositors["plain"].render(one, room, Edges(decontaminate=False), canvas),
        "decontaminate": decontaminate,
        "image": lambda one: compositors["image"].render(one, room, Edges(), canvas),
        "blur": lambda one: compositors["blur"].render(one, blurred.render(one, 0.0, canvas), Edges(), canvas),
        "transparent": lambda one: compositors["transparent"].render(one, None, Edges(), canvas),
        "to_i420": lambda _one: cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_I420, dst=i420),
    }
    times: dict[str, list[float]] = {name: [] for name in steps}
    for index in range(-3, rounds):
        for name, step in steps.items():
            began = time.perf_counter()
            step(matted[index % len(matted)])
            if index >= 0:
                times[name].append((time.perf_counter() - began) * 1e3)
    band = np.mean([np.count_nonzero((one.alpha > 0) & (one.alpha < 255)) / one.alpha.size for one in matted])
    result: dict[str, Any] = {"rounds": rounds, "fractional_share": float(band)}
    for name, spent in times.items():
        low, middle, high = np.percentile(spent, (25, 50, 75))
        share = np.median(np.divide(spent, times["blend"]))
        result[name] = {"p25_ms": low, "p50_ms": middle, "p75_ms": high, "of_blend": float(share)}
    return result


def lines(results: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """The results as a table: one line for each group of figures."""
    figures = {key: value for key, value in results.items() if not isinstance(value, dict)}
    if figures:
        shown = (
            f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in figures.items()
        )
        yield f"{' / '.join(path):32}{'  '.join(shown)}"
    for key, value in results.items():
        if isinstance(value, dict):
            yield from lines(value, (*path, key))


def main() -> int:
    """0, or 1 with one sentence on standard error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("clip", "cutouts", "backgrounds"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--model", default="modnet_photographic")
    parser.add_argument("--preset", default=DEFAULT_PRESET)
    parser.add_argument("--frames", type=int, default=200, help="frames of the clip (default 200)")
    parser.add_argument("--rounds", type=int, default=200, help="timed rounds (default 200)")
    parser.add_argument("--json", action="store_true", help="one JSON object on the last line")
    options = parser.parse_args()
    try:
        cutouts = read_folder(options.cutouts, read_cutout, (".png",))
        suffixes = (".png", ".jpg", ".jpeg", ".webp")
        rooms = read_folder(options.backgrounds, lambda path: fit_image(read_image(path), WIDTH, HEIGHT), suffixes)
        engine = create_engine(options.engine, ModelStore().locate(options.model))
        network = Network(engine, find_preset(options.preset).long_side)
        try:
            results = {
                "machine": machine() | {"provider": engine.provider},
                "versions": versions(),
                "flicker": flicker(network, options.clip, options.frames),
                "motion": motion(network, cutouts, rooms),
                "colour": colour(network, cutouts, rooms),
                "timing": timing(network, options.clip, rooms[0], options.rounds),
            }
        finally:
            engine.close()
    except MattecamError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(lines(results)))
    if options.json:
        print(json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())

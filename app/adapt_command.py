"""`adapt`: adapts the model in use to the user's own room (SOC), and keeps the result only if it is better."""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
from tqdm import tqdm

from app import settings as settings_file
from matting_core.command_line import ended_like_ctrl_c
from matting_core.errors import UsageError
from matting_core.manifest import ModelEntry
from matting_core.model_store import ModelStore
from matting_core.modnet import require_train_extra
from matting_core.own_command import own_command
from matting_core.presets import AUTO_MODEL, RELEASED, live_preset

if TYPE_CHECKING:
    from matting_core.modnet.adapt import Adapted, Progress

MOST_READ = 300
"""At most this many pictures of a clip are used, evenly spread; they are held in memory at the network's size."""
TELL_EVERY_S = 0.5
STAGES = {"looking": "Looking for you", "heads": "Getting ready", "adapting": "Adapting"}


def adapt(
    source: Path,
    epochs: int,
    seconds_limit: float | None,
    output: str | None,
    compare: Path | None,
    as_json: bool,
    store: ModelStore | None = None,
) -> int:
    """Adapt the settings' model to a clip or a folder of pictures; returns 0, also if nothing was worth keeping.

    output: the adapted model's name, by default made from the original's. compare: a folder for held-out pictures
    before and after. as_json: progress as a JSON object a line on standard error, the result on standard output.
    Raises UsageError for a clip that shows nobody or is too short and for a name that is taken, ModelError without
    the extra `train`.
    """
    if not source.exists():
        raise UsageError(f"The clip {source} does not exist.", "Check the path.")
    require_train_extra("Adapting a model")
    settings, _ = settings_file.load()
    store = store or ModelStore()
    original = store.find(RELEASED if settings.model == AUTO_MODEL else settings.model)
    name = store.free_name(output or f"{original.name}_room", exactly=output is not None)
    _make_way()
    with ended_like_ctrl_c(), Teller(as_json) as tell:
        long_side = live_preset(settings.preset).long_side
        adapted, skipped = _run(source, original, long_side, (epochs, seconds_limit), compare, tell)
        result = _result(adapted, original.name, skipped)
        if not result["reason"]:
            tell.say("Saving")
            entry = _keep(store, adapted, name, original, source, result)
            result.update(kept=True, name=entry.name, path=str(entry.path))
    print(json.dumps(result) if as_json else _sentences(result))
    return 0


class Teller:
    """Reports the progress: a progress bar, or one JSON object a line; both on standard error."""

    def __init__(self, as_json: bool) -> None:
        self._as_json = as_json
        self._bar: tqdm[Any] | None = None
        self._stage = ""
        self._told_s = 0.0

    def __enter__(self) -> "Teller":
        return self

    def __exit__(self, *_: object) -> None:
        self._end_bar()

    def __call__(self, progress: "Progress") -> None:
        now_s = time.monotonic()
        begins, ends = progress.stage != self._stage, progress.done == progress.total
        if begins or ends or now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            if self._as_json:
                print(json.dumps(progress._asdict()), file=sys.stderr, flush=True)
            else:
                self._show(progress, begins)
        self._stage = progress.stage

    def say(self, text: str) -> None:
        """A line about progress that is not counted."""
        self._end_bar()
        if not self._as_json:
            print(f"{text} …", file=sys.stderr, flush=True)

    def _show(self, progress: "Progress", begins: bool) -> None:
        if begins:
            estimate = "" if progress.left_s is None else f": {_duration(progress.left_s)}"
            self.say(f"{STAGES[progress.stage]}{estimate}")
            self._bar = tqdm(total=progress.total, file=sys.stderr, disable=None, leave=False)
        if self._bar is not None:
            self._bar.update(progress.done - self._bar.n)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _make_way() -> None:
    """Give way to everything else on this machine, above all a running call."""
    psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else 10)


def _run(
    source: Path,
    original: ModelEntry,
    long_side: int,
    effort: tuple[int, float | None],
    compare: Path | None,
    tell: Teller,
) -> tuple["Adapted", tuple[str, ...]]:
    """What was adapted, and a sentence for each file that could not be read."""
    from matting_core.modnet.adapt import AdaptOptions, adapt
    from matting_core.modnet.adapt_compare import write_comparison
    from matting_core.modnet.data import UnlabelledDataset
    from matting_core.modnet.weights import load_network

    options = AdaptOptions(*effort)
    assert original.path is not None, "a model that was found is installed"
    loaded = load_network(original.path)
    clip = UnlabelledDataset(source, long_side, MOST_READ)
    adapted = adapt(loaded, clip, options, tell)
    if compare is not None:
        write_comparison(adapted, clip, compare)
    return adapted, clip.skipped


def _keep(
    store: ModelStore, adapted: "Adapted", name: str, original: ModelEntry, source: Path, result: dict[str, Any]
) -> ModelEntry:
    """Export, which is verified against PyTorch, and list beside the original."""
    from matting_core.modnet.exporter import export_network

    with tempfile.TemporaryDirectory(prefix="mattecam-") as folder:
        file = Path(folder) / "adapted.onnx"
        parity = export_network(adapted.model, file)
        measured = {
            "before": result["before"],
            "after": result["after"],
            "largest_difference": parity.largest,
            "adapted_from": original.name,
        }
        return store.add(
            file,
            name,
            source=source.name,
            licence=original.licence,
            licence_file=original.licence_file,
            attribution=original.attribution,
            measured=measured,
        )


def _result(adapted: "Adapted", original: str, skipped: tuple[str, ...]) -> dict[str, Any]:
    from matting_core.modnet.adapt_quality import verdict

    return {
        "kept": False,
        "name": "",
        "original": original,
        "reason": verdict(adapted.before, adapted.after),
        "before": _facts(adapted.before._asdict()),
        "after": _facts(adapted.after._asdict()),
        "frames": adapted.frames,
        "epochs": adapted.epochs,
        "held_out": sum(map(len, adapted.held_out)),
        "without_person": adapted.without_person,
        "skipped": list(skipped),
        "seconds": round(adapted.seconds, 1),
    }


def _facts(quality: dict[str, float | None]) -> dict[str, float]:
    """A manifest has no null, so what could not be measured is left out."""
    return {name: round(value, 6) for name, value in quality.items() if value is not None}


def _sentences(result: dict[str, Any]) -> str:
    before, after = result["before"], result["after"]
    lines = [*result["skipped"], f"Measured on {result['held_out']} held-out pictures, before → after:"]
    for key, text in (("disagreement", "disagreement of its parts"), ("flicker", "flicker where nothing moves")):
        if key in before and key in after:
            lines.append(f"  {text}: {before[key] * 1e3:.3f} → {after[key] * 1e3:.3f} thousandths of alpha")
    if result["kept"]:
        name = result["name"]
        lines += [
            f"The result is better, so it is kept as '{name}', beside '{result['original']}'.",
            f"Use it: {own_command(f'run --model {name}')}, or choose it in the window under Quality and speed.",
            f"Go back: choose {result['original']} there, or leave --model out. "
            f"Delete it: {own_command(f'models remove {name}')}",
        ]
    else:
        lines.append(f"The result was not kept, and nothing has changed. {result['reason']}")
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    return f"about {seconds:.0f} seconds" if seconds < 90 else f"about {seconds / 60:.0f} minutes"

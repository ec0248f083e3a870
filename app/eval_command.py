"""`eval`: how near the mattes come to the truth, over a folder of pictures or clips with true mattes."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from app.eval_report import Case, Worst, render_report
from app.process_command import took
from app.settings import Scene
from matting_core.atomic import write_atomically
from matting_core.engine import MattingEngine, create_engine
from matting_core.errors import MattecamError, MediaError, UsageError
from matting_core.frames import Alpha, Frame, Image
from matting_core.metrics import METRICS, Scores, mean_scores, score
from matting_core.model_store import ModelStore
from matting_core.pairs import Clip, Pair, find_pairs, read_clip, read_pair
from matting_core.predictor import Predictor, matte_still
from matting_core.preprocess import input_size
from matting_core.presets import Preset, find_preset

NAMED_PROBLEMS = 3


@dataclass(slots=True)
class Evaluation:
    """What one call of `eval` works with, and what it has measured so far."""

    engine: MattingEngine
    preset: Preset
    worst: Worst | None
    cases: list[Case] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    faults: list[MattecamError] = field(default_factory=list)
    input_size: str = ""

    @property
    def frames(self) -> int:
        return sum(case.frames for case in self.cases)

    def measure(self, item: Pair | Clip) -> None:
        """Matte and score one picture or clip; one that cannot be read is skipped and named."""
        try:
            case = self._picture(item) if isinstance(item, Pair) else self._clip(item)
        except (MediaError, UsageError) as error:
            self.skipped.append(item.name)
            self.faults.append(error)
        else:
            self.cases.append(case)

    def _picture(self, pair: Pair) -> Case:
        image, truth = read_pair(pair)
        alpha = matte_still(self.engine, self.preset, image)
        return self._keep(Case(pair.name, score(alpha, truth)), image, truth, alpha)

    def _clip(self, clip: Clip) -> Case:
        """The mean over the frames; its worst frame represents it in the report."""
        predictor = Predictor(self.engine, self.preset, Scene().smoothing)
        scores: list[Scores] = []
        before: tuple[Alpha, Alpha] | None = None
        shown: tuple[Image, Alpha, Alpha] | None = None
        for index, (image, truth) in enumerate(read_clip(clip)):
            matted = predictor.predict(Frame(image, float(index), index))
            assert matted is not None, "this stabiliser holds no frame back"
            scores.append(score(matted.alpha, truth, before))
            self._tell_size(image)
            before = matted.alpha, truth
            if self.worst is not None and scores[-1].mad == max(one.mad for one in scores):
                shown = image, truth, matted.alpha
        mean = mean_scores(scores)
        assert mean is not None, "a clip without frames is a MediaError"
        case = Case(clip.name, mean, len(scores))
        return case if shown is None else self._keep(case, *shown)

    def _tell_size(self, image: Image) -> None:
        self.input_size = input_size(image.shape[0], image.shape[1], self.preset.long_side)

    def _keep(self, case: Case, image: Image, truth: Alpha, alpha: Alpha) -> Case:
        self._tell_size(image)
        if self.worst is not None:
            self.worst.offer(case, image, truth, alpha)
        return case


def evaluate(
    folder: Path, layout: str, model: str | None, preset: str, engine: str, report: Path | None, as_json: bool
) -> int:
    """Measure a folder with true mattes; returns the exit code. Pictures go the way that `process` sends them.

    Raises UsageError for a folder that does not match its layout, and MediaError after all else is measured and
    written, if a file could not be read.
    """
    if report is not None and (report.is_dir() or report.suffix.lower() not in {".html", ".htm"}):
        raise UsageError(f"'{report}' is not a file name for an HTML page.", "End it with .html.")
    found = find_pairs(folder, layout)
    chosen = find_preset(preset)
    model = chosen.model_for(model)
    engine_in_use = create_engine(engine, ModelStore().network(model, chosen.int8))
    evaluation = Evaluation(engine_in_use, chosen, Worst() if report else None)
    items = [*found.pairs, *found.clips]
    began_s = time.monotonic()
    try:
        for item in tqdm(items, unit="image" if found.pairs else "clip", disable=len(items) == 1 or None):
            evaluation.measure(item)
    finally:
        evaluation.engine.close()
    result = _result(evaluation, time.monotonic() - began_s, model, found.layout)
    if report is not None and evaluation.worst is not None:
        _write(report, render_report(folder.resolve().name, result, evaluation.cases, evaluation.worst.strips()))
    print(json.dumps(result) if as_json else _table(evaluation, result))
    faults = evaluation.faults
    if faults:
        more = ["…"] if len(faults) > NAMED_PROBLEMS else []
        problems = [fault.problem for fault in faults[:NAMED_PROBLEMS]]
        raise MediaError(
            " ".join([f"{len(faults)} skipped.", *problems, *more]),
            "The rest was measured." if evaluation.cases else "Nothing was measured.",
        ) from (None if evaluation.cases else faults[0])
    return 0


def _result(evaluation: Evaluation, seconds: float, model: str, layout: str) -> dict[str, Any]:
    mean = mean_scores(case.scores for case in evaluation.cases)
    return {
        "frames": evaluation.frames,
        "seconds": round(seconds, 3),
        "fps": round(evaluation.frames / seconds, 2),
        "provider": evaluation.engine.provider,
        "model": model,
        "preset": evaluation.preset.name,
        "input_size": evaluation.input_size,
        "layout": layout,
        "metrics": None if mean is None else mean.as_dict(),
        "images": [{"name": case.name, "frames": case.frames, **case.scores.as_dict()} for case in evaluation.cases],
        "skipped": evaluation.skipped,
    }


def _table(evaluation: Evaluation, result: dict[str, Any]) -> str:
    """Every picture, the worst last, then the mean, in the papers' units."""
    shown = [key for key in METRICS if any(case.scores.as_dict()[key] is not None for case in evaluation.cases)]
    width = max([12, *(len(case.name) for case in evaluation.cases)])

    def row(name: str, cells: list[str]) -> str:
        return f"{name:{width}}" + "".join(f" {cell:>12}" for cell in cells)

    def values(scores: dict[str, float | None]) -> list[str]:
        return [METRICS[key].show(scores[key]) for key in shown]

    by_mad = sorted(evaluation.cases, key=lambda case: case.scores.mad)
    rows = [row("", [METRICS[key].name for key in shown]), row("", [METRICS[key].unit for key in shown])]
    rows += [row(case.name, values(case.scores.as_dict())) for case in by_mad]
    if result["metrics"] is not None:
        rows.append(row("mean", values(result["metrics"])))
    took_all = took(evaluation.frames, result["seconds"], evaluation.engine, evaluation.preset, evaluation.input_size)
    rows.append(f"{took_all}. Lower is better, except for IoU.")
    return "\n".join(rows)


def _write(report: Path, page: str) -> None:
    try:
        write_atomically(report, page.encode(errors="replace"))
    except OSError as error:
        raise MediaError(
            f"The report {report} cannot be written ({error.strerror}).", "Choose another folder."
        ) from error

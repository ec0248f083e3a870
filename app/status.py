"""What the pipeline says of itself: immutable snapshots that the window and the commands read at their own pace."""

from dataclasses import dataclass, field
from typing import Literal

from matting_core.frames import Image

StageState = Literal["stopped", "starting", "running", "waiting", "resting", "failed"]
Severity = Literal["info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to the user. key: a later notice of the same key replaces this one, and clearing it removes it.

    problem and mend: plain sentences. detail: what the log has, for a 'details' button.
    """

    key: str
    severity: Severity
    problem: str
    mend: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StageTimes:
    """Milliseconds that a stage takes a frame, over the last few seconds."""

    p50_ms: float
    p95_ms: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts since start, and rates and times over the last few seconds.

    captured = dropped_unmatted + matted + failed + those in flight (at most 2); matted = dropped_unsent + shown +
    those in flight (at most 1); sent = shown + repeated + slates. Times in milliseconds; latency is from capture to
    the end of send. stages: a StageTimes by stage name (capture, fit, preprocess, infer, stabilise, alpha, whole,
    place, background, composite, send, preview).
    """

    captured: int = 0
    matted: int = 0
    failed: int = 0
    dropped_unmatted: int = 0
    dropped_unsent: int = 0
    shown: int = 0
    repeated: int = 0
    slates: int = 0
    sent: int = 0
    capture_fps: float = 0.0
    matting_fps: float = 0.0
    output_fps: float = 0.0
    latency_p50_ms: float = 0.0
    latency_p95_ms: float = 0.0
    latency_p99_ms: float = 0.0
    stages: dict[str, StageTimes] = field(default_factory=dict)

    @property
    def dropped(self) -> int:
        return self.dropped_unmatted + self.dropped_unsent


CHOSEN = "chosen"
"""Why a preset runs that somebody chose."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A change of preset while live. at_s: monotonic seconds. why: 'chosen', or what made the preset auto do it."""

    at_s: float
    preset: str
    why: str


@dataclass(frozen=True, slots=True)
class Status:
    """Everything the window shows about the pipeline, read in one go.

    capture, matting, output: each stage's state; capture is resting, with the camera closed, while nobody watches.
    source: what the camera really gives, e.g. 'HD Webcam, 1280×720 MJPG at 30 fps'. engine and provider: what really
    runs, read back from the session. preset: the one that runs, which the preset auto changes; switches: how it did,
    the last 50. processor_share: what this process uses of all cores, in [0, 1]. outputs: each open output's name.
    recording: the file being written, or empty. paused: the slate is sent whatever the camera sees. has_background:
    there is one to lay the person on; without, it is slates.
    """

    capture: StageState = "stopped"
    matting: StageState = "stopped"
    output: StageState = "stopped"
    source: str = ""
    engine: str = ""
    provider: str = ""
    input_size: str = ""
    preset: str = ""
    switches: tuple[Switch, ...] = ()
    processor_share: float = 0.0
    outputs: tuple[str, ...] = ()
    recording: str = ""
    paused: bool = False
    has_background: bool = True
    notices: tuple[Notice, ...] = ()
    stats: Stats = field(default_factory=Stats)


@dataclass(frozen=True, slots=True)
class Preview:
    """A downscaled copy of the newest canvas for the window.

    image: uint8 h×w×3 BGR of whoever took it, used again once nobody holds the array: who borrows its pixels keeps it.
    canvas: (width, height) of what it was made of, whose proportions are not rounded.
    before: the same frame as the camera saw it, only while the split view is on, else None; it never goes to an output.
    camera: the part of that which is the camera's own picture (`MattedFrame.columns`), a view.
    """

    image: Image
    canvas: tuple[int, int]
    before: Image | None = None
    camera: Image | None = None

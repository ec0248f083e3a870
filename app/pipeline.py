"""Pipeline: builds and owns the three workers, and is the one door that the window and the commands go through."""

import dataclasses
import logging
import threading
import time
from pathlib import Path

from app.board import Board
from app.camera import open_source
from app.capture_stage import SourceOpener
from app.demand import Demand, ReaderProbe, has_readers
from app.engine_start import EngineFactory
from app.film import Film
from app.mailbox import Mailbox
from app.matting_stage import Blank
from app.output import Output
from app.output_stage import OutputStage
from app.pulse import Pulse, Watchdog
from app.settings import RESTART_FIELDS, Settings, parse_size
from app.sinks import Sinks, VirtualFactory
from app.stats import StatsRecorder
from app.status import Preview, Stats, Status
from app.upstream import Upstream
from app.virtual_camera import VirtualCameraOutput
from app.worker import Worker
from matting_core.engine import create_engine
from matting_core.errors import OutputError, StageFailed
from matting_core.frames import Behind, MattedFrame

log = logging.getLogger(__name__)

HANG_S = 10.0
"""A camera's read or a network's run that takes longer is given up. The outputs have shown a slate for 9 s by then."""
HANG_AT_STOP_S = 1.5
"""How long stopping waits for a call that nobody can break off: a camera that opens, a model that loads, a send."""
FINISH_S = 20.0
"""How long stopping waits for outputs that do come on, only slowly: a recording is finished on a slow disk."""


@dataclasses.dataclass(frozen=True, slots=True)
class Parts:
    """What a pipeline is built from, where it is not the usual: other devices for tests, other habits for `run`.

    outputs: opened outputs that are fed beside the virtual camera; the pipeline closes them. must_open: a source or
    virtual camera that cannot be opened ends its stage instead of being waited for. is_read: whether another program
    has the virtual camera open.
    """

    open_source: SourceOpener = open_source
    create_engine: EngineFactory = create_engine
    open_virtual_camera: VirtualFactory = VirtualCameraOutput
    outputs: tuple[Output | Film, ...] = ()
    must_open: bool = False
    is_read: ReaderProbe = has_readers


class Pipeline:
    """Camera to outputs. Used from one controlling thread; nothing here but `stop` makes it wait.

    The output worker lives from `start` to `stop`. Capture and matting are rebuilt when a setting of RESTART_FIELDS
    changes, and the outputs show a slate meanwhile. Every other setting is read once a frame. The output thread also
    keeps an eye on the other two, and rebuilds them when one does not come back from a call.
    """

    def __init__(self, settings: Settings, parts: Parts | None = None) -> None:
        self.settings = settings
        self.parts = parts or Parts()
        self.size = parse_size(settings.output_size)
        self.board = Board()
        self.recorder = StatsRecorder()
        self.demand = Demand(self.parts.is_read)
        self.matted: Mailbox[MattedFrame | Blank] = Mailbox(self._count_unsent)
        self._paused = threading.Event()
        self.failure: StageFailed | None = None
        self._feeding = Pulse()
        self._output = OutputStage(
            lambda: self.settings,
            self.size,
            self.matted,
            self.board,
            self.recorder,
            self._paused,
            self._open_sinks,
            self.demand,
            self._look_after_upstream,
        )
        self._output_worker = Worker("output", self._output.run, self.failed)
        self._swap = threading.Lock()
        self._stopping = False
        self._hung_engines: tuple[str, ...] = ()
        self._upstream = Upstream(self, None)

    def start(self) -> None:
        """Start the three threads and return at once."""
        self._output_worker.start()
        self._upstream.start()

    def apply(self, settings: Settings) -> None:
        """Take new settings from the next frame on; restarts capture and matting where they need it."""
        changed = {name for name in RESTART_FIELDS if getattr(settings, name) != getattr(self.settings, name)}
        self.settings = settings
        if changed:
            self.restart()

    def restart(self) -> None:
        """Rebuild capture and matting with the current settings, also after one of them failed."""
        for key in ("camera", "engine", "capture", "matting"):
            self.board.clear(key)
        with self._swap:
            self._hung_engines = ()  # whoever restarts by hand may have mended the driver
            self._replace_upstream()

    def pause(self, paused: bool) -> None:
        """While paused every output shows a slate, whatever the camera sees."""
        if paused:
            self._paused.set()
        else:
            self._paused.clear()

    def start_recording(self, path: Path) -> None:
        """Record to a file from now on; Status.recording and the notices tell how it goes."""
        try:
            import app.recorder  # noqa: F401  here, since the outputs must not wait for PyAV to be loaded
        except ImportError as error:
            mend = "Reinstall Mattecam."
            self.board.say(
                "recording", OutputError(f"PyAV, which writes recordings, cannot be loaded ({error}).", mend)
            )
            return
        self._output.do(lambda sinks: sinks.start_recording(path))

    def stop_recording(self) -> None:
        """Finish the recording."""
        self._output.do(lambda sinks: sinks.stop_recording())

    def snapshot(self, path: Path) -> None:
        """Write what the outputs show now as a picture; a notice of key 'snapshot' tells how it went."""
        self._output.do(lambda _sinks: self._output.snapshot(path))

    def preview(self, space: tuple[int, int]) -> Preview | None:
        """The newest preview, or None if there is none since the last call. Asking counts as watching.

        space: (width, height) in pixels of where it is drawn; the next previews just fit in it.
        """
        return self._output.take_preview(space)

    @property
    def behind(self) -> Behind | None:
        """What the output lays frames on now, if a GPU can be told."""
        return self._output.behind

    def status(self) -> Status:
        """Everything there is to say, in one immutable snapshot."""
        return dataclasses.replace(self.board.read(), paused=self._paused.is_set(), stats=self.recorder.snapshot())

    def run_stats(self) -> Stats:
        """The figures with the latency over the whole run."""
        return self.recorder.snapshot(whole_run=True)

    def dismiss(self, key: str) -> None:
        """Take a notice down."""
        self.board.clear(key)

    def stop(self, timeout_s: float = FINISH_S) -> bool:
        """Stop; True when the outputs have ended in time, so that nothing is lost. They get a last slate.

        A camera that is being opened, a model that is being loaded and whatever is stuck in a driver or a library are
        left behind after HANG_AT_STOP_S: see app.cli.leave.
        """
        began_s = time.monotonic()
        with self._swap:
            self._stopping = True
        self._upstream.ask_to_stop()
        self._output_worker.ask_to_stop()
        feeding = Watchdog(self._feeding)
        upstream_s, until_s = began_s + min(timeout_s, HANG_AT_STOP_S), began_s + timeout_s
        while not (gone := self._upstream.join(time.monotonic() + 0.1)) and time.monotonic() < upstream_s:
            feeding.stuck_s(time.monotonic())
        if not gone:
            log.info("a camera or a network did not let go in time and is left behind")
        self.matted.close()
        while not (ended := self._output_worker.join(0.1)) and time.monotonic() < until_s:
            if feeding.stuck_s(time.monotonic()) > HANG_AT_STOP_S:
                break
        if not ended:
            log.error("an output did not end in time")
        self.board.set(capture="stopped", matting="stopped", output="stopped")
        return ended

    def failed(self, failure: StageFailed) -> None:
        """A worker's report that it has ended on an error; called on that worker's thread."""
        self.board.set(**{failure.stage: "failed"})
        self.board.say(failure.stage, failure)
        self.matted.put(Blank())
        self.failure = self.failure or failure  # last: whoever sees it finds the notice on the board

    def _look_after_upstream(self) -> None:
        """Called on the output thread, before every canvas."""
        for upstream in self._upstream.chain():
            stuck = upstream.give_up_stuck(time.monotonic(), HANG_S)
            if stuck:
                with self._swap:
                    if upstream is self._upstream and not self._stopping:
                        self._go_on_without(stuck)

    def _go_on_without(self, stuck: list[str]) -> None:
        if "capture" in stuck:
            self.board.say("camera", "The camera does not respond.", mend="Unplug it and plug it back in.")
        if "matting" in stuck:
            name = self._upstream.engine_name
            self._hung_engines += (name,)
            self.board.say(
                "engine",
                f"The {name} engine stopped responding and was given up.",
                "warning",
                "Another engine takes over. If this happens again, update the driver or choose another engine.",
            )
        self._replace_upstream()

    def _replace_upstream(self) -> None:
        """With `_swap` held: end capture and matting, and rebuild both."""
        old = self._upstream
        old.ask_to_stop()
        self.matted.put(Blank())
        self._upstream = Upstream(self, old, self._hung_engines)
        self._upstream.start()

    def _open_sinks(self) -> Sinks:
        return Sinks(
            self.size,
            self.settings.output_fps,
            self.board,
            self.parts.outputs,
            self.parts.must_open,
            self.parts.open_virtual_camera,
            self._feeding,
        )

    def _count_unsent(self, item: MattedFrame | Blank) -> None:
        if isinstance(item, MattedFrame):
            self.recorder.count("dropped_unsent")

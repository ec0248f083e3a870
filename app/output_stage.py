"""The output thread: lays each matted frame on the background and sends it; a slate wherever there is no matte."""

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from app.background_loader import BackgroundLoader
from app.board import Board
from app.demand import Demand
from app.mailbox import Mailbox
from app.matting_stage import Blank
from app.settings import Settings
from app.sinks import Sinks
from app.slate import draw_slate, reason
from app.stats import StatsRecorder
from app.status import Preview
from matting_core.background import Background
from matting_core.buffers import Recycler
from matting_core.composite import Compositor, Edges
from matting_core.errors import MediaError
from matting_core.fit import within
from matting_core.frames import Alpha, Behind, Image, MattedFrame
from matting_core.pictures import write_image

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 0.1
"""An output is fed at least this often, so that a reader does not take it for dead."""
ANIMATION_S = 1 / 30
PERIOD, LATE = 0.97, 0.2
"""Of 1 / output_fps: what lies between two pictures, and what one that was late is made up for. A camera's clock is
never quite this machine's: at the very same rate its frames would wait longer and longer, were it not for those 3 %."""
STALE_S = 1.0
"""A frame is shown at most this long: a person frozen for longer would look live but is not."""
PREVIEW_S = 1 / 30
UNWATCHED_PREVIEW_S = 1.0
"""Between previews that nobody takes."""
PREVIEW_SPACE = (770, 770)
"""(width, height) in pixels of what a preview fits in until the window has told: it is so wide as the window opens."""
CAMERA_SPACE = (960, 960)
"""The same of the camera's own picture beside it, from which a network may learn too (`ui/adapt_dialog.py`)."""


class OutputStage:
    """Body of the output worker, which lives as long as the app. All but `do` and `take_preview` run on its thread."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        size: tuple[int, int],
        inbox: Mailbox[MattedFrame | Blank],
        board: Board,
        stats: StatsRecorder,
        paused: threading.Event,
        open_sinks: Callable[[], Sinks],
        demand: Demand,
        look_around: Callable[[], None] = lambda: None,
    ) -> None:
        """look_around: called before every canvas, so some ten times a second at least."""
        self._settings = settings
        self._size = size
        self._inbox = inbox
        self._board = board
        self._stats = stats
        self._paused = paused
        self._open_sinks = open_sinks
        self._demand = demand
        self._look_around = look_around
        self._commands: queue.SimpleQueue[Callable[[Sinks], None]] = queue.SimpleQueue()
        self._backgrounds = BackgroundLoader(*size, board)
        self._compositor = Compositor(*size)
        self._canvas: Image = np.empty((size[1], size[0], 3), np.uint8)
        self._slates: dict[str, Image] = {}
        self._last: MattedFrame | None = None
        self._fresh_at_s = 0.0
        self._due_s = 0.0
        self._arrays = Recycler()
        self._newest_canvas: Image | None = None
        self._newest_alpha: Alpha | None = None
        self._newest_on: Background | None = None  # what stands behind the person there; nothing on a slate
        self.behind: Behind | None = None
        """What frames are laid on now, if a GPU can be told. Any thread may ask."""
        self._behind_of: tuple[Background | None, bool] = (None, False)
        self._shows_room = False
        self._preview_at_s = 0.0
        self._preview_space = self._space_made = PREVIEW_SPACE
        self._preview: Preview | None = None

    def do(self, command: Callable[[Sinks], None]) -> None:
        """Have the output thread run a command before its next frame. Any thread."""
        self._commands.put(command)

    def take_preview(self, space: tuple[int, int]) -> Preview | None:
        """The newest preview, once. Any thread; asking counts as watching. space: (width, height) of the next ones."""
        self._demand.preview_taken()
        self._preview_space = space
        preview, self._preview = self._preview, None
        return preview

    def snapshot(self, path: Path) -> None:
        """Write the newest canvas as a picture; the result is posted on the board."""
        if self._newest_canvas is None:
            return
        if self._shows_room and not self._settings().shows_the_room:
            self._board.say("snapshot", "No snapshot was taken: it would still have shown your room.", "warning")
            return
        try:
            write_image(path, self._newest_canvas)
            self._board.say("snapshot", f"The snapshot was saved as {path}.", "info")
        except MediaError as error:
            self._board.say("snapshot", error)

    def run(self, stopping: threading.Event) -> None:
        """Feed the outputs until told to stop; the last thing they get is a slate."""
        self._board.set(output="starting")
        sinks = self._open_sinks()
        try:
            while not stopping.is_set():
                if not self._commands.empty():  # one at a time, so that a recording has a canvas before it ends
                    self._commands.get()(sinks)
                settings = self._settings()
                sinks.refresh(settings)
                self._demand.update(settings.rest_unwatched, sinks.take_all, sinks.virtual_is_on)
                self._board.set(output="running")
                self._look_around()
                self._step(sinks, settings, stopping)
            self._send_slate(sinks)
        except BaseException:
            with contextlib.suppress(Exception):
                self._send_slate(sinks)
            raise
        finally:
            self._backgrounds.close()
            sinks.close()

    def _step(self, sinks: Sinks, settings: Settings, stopping: threading.Event) -> None:
        """Wait for what is due next, a new frame, an animated background or a sign of life, and send it."""
        background = self._backgrounds.current(settings)
        if (background is not None) != self._board.read().has_background:
            self._board.set(has_background=background is not None)
        animated = background is not None and background.animated and self._last is not None
        pause_s = self._due_s - time.monotonic()
        if pause_s > 0:
            stopping.wait(pause_s)
        item = self._inbox.take(ANIMATION_S if animated else KEEP_ALIVE_S)
        sinks.refresh(self._settings())  # again, for the time of the wait; to open a device takes a while
        settings = self._settings()  # again: who left 'none' meanwhile is not seen once more
        background = self._backgrounds.current(settings)
        self._note_behind(background, settings)
        now_s = time.monotonic()
        self._due_s = max(self._due_s + PERIOD / settings.output_fps, now_s - LATE / settings.output_fps)
        fresh = isinstance(item, MattedFrame)
        if isinstance(item, MattedFrame):
            self._last, self._fresh_at_s = item, now_s
        elif item is not None or now_s - self._fresh_at_s > STALE_S:
            self._last = None
        if not self._demand.wanted.is_set():
            self._last = None
        if self._paused.is_set() or self._last is None or background is None:
            if fresh:
                self._stats.count("dropped_unsent")
            self._send_slate(sinks)
            return
        if fresh or animated or self._newest_canvas is None or self._newest_on is not background:
            self._show(sinks, settings, background, self._last, fresh)
        else:
            self._send(sinks, self._newest_canvas, self._newest_alpha, now_s)
            self._stats.count("repeated")

    def _show(self, sinks: Sinks, settings: Settings, background: Background, matted: MattedFrame, fresh: bool) -> None:
        now_s = time.monotonic()
        lap = self._stats.lap()
        spec = self._backgrounds.spec
        canvas, used = self._canvas, matted.alpha
        self._note_room(spec == "none")
        if matted.laid is not None and matted.laid.behind is self.behind:
            canvas = matted.laid.canvas
        else:
            behind = background.render(matted, now_s, canvas)
            lap("background")
            if self._shows_room:
                np.copyto(canvas, matted.frame.image)
            else:
                used = self._compositor.render(matted, behind, _edges(settings), canvas)
            lap("composite")
        self._send(sinks, canvas, used if spec == "transparent" else None, now_s)
        self._newest_on = background
        lap("send")
        if fresh:
            self._stats.count("shown")
            self._stats.latency((time.monotonic() - matted.frame.captured_at) * 1e3)
        else:
            self._stats.count("repeated")
        self._make_preview(canvas, matted if settings.split_view else None)
        lap("preview")

    def _send_slate(self, sinks: Sinks) -> None:
        text = reason(self._board.read(), self._paused.is_set())
        if text not in self._slates:
            self._slates[text] = draw_slate(*self._size, text)
        slate = self._slates[text]
        self._note_room(False)
        self._send(sinks, slate, None, time.monotonic(), slate=True)
        self._newest_on = None
        self._stats.count("slates")
        self._make_preview(slate, None)

    def _send(self, sinks: Sinks, canvas: Image, alpha: Alpha | None, now_s: float, slate: bool = False) -> None:
        sinks.send(canvas, alpha, now_s, slate, (lambda: False) if slate else self._withheld)
        self._newest_canvas, self._newest_alpha = canvas, alpha
        self._stats.count("sent")

    def _note_behind(self, background: Background | None, settings: Settings) -> None:
        """The same Behind as before, for as long as nothing about it changes."""
        neutral = _edges(settings) == Edges(decontaminate=settings.decontaminate)
        key = (background, settings.decontaminate) if neutral else (None, False)
        if key == self._behind_of:
            return
        self._behind_of = key
        still, blur = (background.still, background.blur) if neutral and background is not None else (None, 0.0)
        self.behind = None if still is None and not blur else Behind(still, blur, settings.decontaminate)

    def _note_room(self, shown: bool) -> None:
        """Whether the next canvas shows the room; a preview of one that did is not kept for later."""
        if self._shows_room and not shown:
            self._preview = None
        self._shows_room = shown

    def _withheld(self) -> bool:
        """Whether what is being sent must reach no further output: an earlier one may have taken its time."""
        return self._paused.is_set() or (self._shows_room and not self._settings().shows_the_room)

    def _make_preview(self, canvas: Image, before: MattedFrame | None) -> None:
        now_s = time.monotonic()
        if now_s - self._preview_at_s < (PREVIEW_S * 0.9 if self._demand.previewed else UNWATCHED_PREVIEW_S):
            return
        self._preview_at_s = now_s
        space = self._preview_space
        if space != self._space_made:
            self._space_made, self._arrays = space, Recycler()  # no storage of each size while a window is drawn larger
        small = within(canvas, space, self._arrays)
        if before is None:
            self._preview = Preview(small, self._size)
            return
        seen = within(before.frame.image, CAMERA_SPACE, self._arrays)
        left, right = before.columns or (0, canvas.shape[1])
        scale = seen.shape[1] / canvas.shape[1]
        self._preview = Preview(small, self._size, seen, seen[:, round(left * scale) : round(right * scale)])


def _edges(settings: Settings) -> Edges:
    return Edges(settings.edge_shift, settings.edge_feather, settings.light_wrap, settings.decontaminate)

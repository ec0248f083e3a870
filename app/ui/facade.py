"""What the window needs of the pipeline; app.pipeline.Pipeline is one, and tests bring a small one of their own."""

from pathlib import Path
from typing import Protocol

from app.settings import Settings
from app.status import Preview, Status


class LivePipeline(Protocol):
    """Every call returns at once, except `stop`; all may be called from the window's thread."""

    def start(self) -> None: ...

    def apply(self, settings: Settings) -> None:
        """Swap the settings' snapshot; restarts what has to be restarted in the background."""
        ...

    def restart(self) -> None:
        """Open the camera and the engine again, also after one of them failed."""
        ...

    def pause(self, paused: bool) -> None:
        """Send a slate to every output while paused."""
        ...

    def start_recording(self, path: Path) -> None: ...

    def stop_recording(self) -> None: ...

    def snapshot(self, path: Path) -> None:
        """Save the newest canvas as a PNG; a notice tells how it went."""
        ...

    def preview(self, space: tuple[int, int]) -> Preview | None:
        """The newest preview, or None if there is nothing new since the last call.

        space: (width, height) in pixels of where it is drawn; the next previews just fit in it.
        """
        ...

    def status(self) -> Status: ...

    def dismiss(self, key: str) -> None:
        """Drop the notice of that key."""
        ...

    def stop(self) -> bool:
        """End; True when the outputs have ended in time, so that nothing is lost."""
        ...

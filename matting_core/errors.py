"""Every error that Mattecam raises on purpose.

MattecamError                 one plain sentence for the user, and the mend
├── UsageError                the command or a setting was given wrongly (exit code 2)
├── SettingsError             the settings file cannot be read or written
├── ModelError                a model file is missing, damaged, unknown or cannot be fetched
├── EngineError               an inference engine cannot start
│   └── InferenceFailed       a started engine failed on one frame
├── MediaError                an image or video file cannot be read or written
├── SourceError               a camera or other frame source cannot be opened
│   └── SourceLost            it was open and stopped delivering; worth trying again
├── OutputError               a virtual camera or recording cannot be opened
│   └── OutputLost            it was open and stopped accepting; worth trying again
└── StageFailed               a pipeline stage ended; carries the stage's name and the cause
"""


class MattecamError(Exception):
    """One sentence that names what is wrong, and one that says what to do about it.

    `problem` and `mend` are kept apart so that a window can lay them out; `str()` joins them.
    """

    def __init__(self, problem: str, mend: str = "") -> None:
        super().__init__(problem, mend)
        self.problem = problem
        self.mend = mend

    def __str__(self) -> str:
        return f"{self.problem} {self.mend}".rstrip()


class UsageError(MattecamError):
    """The command line or a setting was given wrongly; exit code 2."""


class SettingsError(MattecamError):
    """The settings file cannot be read or written."""


class ModelError(MattecamError):
    """A model file is missing, damaged, unknown or cannot be fetched."""


class EngineError(MattecamError):
    """An inference engine cannot start on this machine."""


class InferenceFailed(EngineError):
    """A running engine raised, or returned something that is not a matte, for one frame."""


class MediaError(MattecamError):
    """An image or video file cannot be read or written."""


class SourceError(MattecamError):
    """A camera or another frame source cannot be opened."""


class SourceLost(SourceError):
    """A source that was open stopped delivering frames; opening it again may work."""


class OutputError(MattecamError):
    """A virtual camera or a recording cannot be opened."""


class OutputLost(OutputError):
    """An output that was open stopped accepting frames; opening it again may work."""


class StageFailed(MattecamError):
    """A pipeline stage ended on an error. `stage` is its name; the cause is chained."""

    def __init__(self, stage: str, cause: BaseException) -> None:
        if isinstance(cause, MattecamError):
            super().__init__(cause.problem, cause.mend)
        else:
            super().__init__(
                f"The {stage} stage stopped because of an unexpected error ({type(cause).__name__}: {cause}).",
                "Restart it; if the error comes back, report it with the log.",
            )
        self.stage = stage
        self.__cause__ = cause


def first_line(error: Exception) -> str:
    """What an exception of somebody else's says, in one line."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]

"""The one door to OpenVINO: importing it plainly reports to an analytics service, and its Core must not end."""

import functools
import sys
import threading
from typing import Any

from matting_core.own_command import PIP

MEND_OPENVINO = f"Install it with: {PIP} install openvino"


def import_openvino() -> Any:
    """The module `openvino` with its `frontend` and `passes`, imported without its telemetry. Raises ImportError.

    Left alone, `import openvino` sends an event over the network and makes ~/intel. Where the package
    openvino_telemetry cannot be imported, OpenVINO puts a stub of its own in its place; so it cannot.
    """
    if "openvino" not in sys.modules:
        sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]
    import openvino
    import openvino.frontend
    import openvino.passes

    return openvino


_making = threading.Lock()


def openvino_core() -> Any:
    """The process's only openvino.Core, which any thread may use and which is never given up. Raises ImportError.

    On Linux a Core that loads the processor's plugin gives the thread a signal stack and takes it away with itself. Of
    two that do not end in the opposite order, the second puts the first's back, which is gone: the next signal that
    Python hears on that thread, a Ctrl-C for one, would crash the process.
    """
    with _making:  # the cache alone lets two threads at once make one each
        return _only_core()


@functools.cache
def _only_core() -> Any:
    return import_openvino().Core()

"""The one door to OpenVINO, because importing it plainly reports to an analytics service."""

import sys
from typing import Any


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

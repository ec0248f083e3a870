"""What a command printed."""

import json
from typing import Any

import pytest


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The JSON object on the last line of standard output, where --json promises it."""
    found: dict[str, Any] = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return found

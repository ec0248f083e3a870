"""What a scenario is: a name, what to do on fresh devices, and how long it may take."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.testbed.rig import Rig


@dataclass(frozen=True, slots=True)
class Scenario:
    """play: (rig) → what was measured; raises CheckFailed. short: in CI's short form. limit_s: far above its need."""

    name: str
    play: Callable[[Rig], dict[str, Any]]
    short: bool = False
    limit_s: float = 240.0

"""How this copy of Mattecam is called from a terminal, for the sentences that name a command."""

import os
import sys
from pathlib import Path

START = Path(__file__).resolve().parents[1] / "scripts" / "start.py"


def _quoted(path: str) -> str:
    return f'"{path}"' if " " in path else path


PIP = f"{_quoted(sys.executable)} -m pip"
"""The pip of the Python that runs this: another one would install where nobody looks."""


def own_command(arguments: str) -> str:
    """What to type for `arguments`: through scripts/start.py, which finds the right Python; `mattecam` without it.

    The script's path is as short as the current folder allows.
    """
    if not START.exists():
        return f"mattecam {arguments}"
    here = Path.cwd()
    script = str(START.relative_to(here) if here in START.parents else START)
    return f"{'py' if os.name == 'nt' else 'python3'} {_quoted(script)} {arguments}"

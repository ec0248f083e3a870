"""How this copy of Mattecam is called from a terminal, for the sentences that name a command."""

import os
import sys
from pathlib import Path

PIP = f'"{sys.executable}" -m pip' if " " in sys.executable else f"{sys.executable} -m pip"
"""The pip of the Python that runs this: another one would install where nobody looks."""
START = Path(__file__).resolve().parents[1] / "scripts" / "start.py"


def own_command(arguments: str) -> str:
    """What to type for `arguments`: through scripts/start.py, which finds the right Python; `mattecam` without it.

    The script's path is as short as the current folder allows.
    """
    if not START.exists():
        return f"mattecam {arguments}"
    here = Path.cwd()
    script = str(START.relative_to(here) if here in START.parents else START)
    quoted = f'"{script}"' if " " in script else script
    return f"{'py' if os.name == 'nt' else 'python3'} {quoted} {arguments}"

"""The command `models`: list, verify, get, import, remove. Only words and JSON; ModelStore does the work."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from matting_core.errors import UsageError
from matting_core.manifest import ModelEntry
from matting_core.model_store import ModelStore
from matting_core.own_command import own_command

Action = Callable[[ModelStore, str, bool], tuple[int, dict[str, Any]]]
"""Takes the store, the argument and whether to be quiet (JSON only); gives the exit code and the JSON object."""


def run(action: str, argument: str | None = None, as_json: bool = False, store: ModelStore | None = None) -> int:
    """Run one action of ACTIONS, print what it says, and return the exit code.

    as_json: nothing but one JSON object, on the last line of standard output; progress bars go to standard error.
    Raises UsageError for an unknown action or a missing or needless argument, ModelError from the store.
    """
    if action not in ACTIONS:
        raise UsageError(f"There is no 'models {action}'.", f"Choose one of: {', '.join(ACTIONS)}.")
    if (action in TAKES) != bool(argument):
        raise UsageError(
            f"'models {action}' takes {TAKES.get(action, 'no argument')}.",
            f"Write: {own_command(f'models {action}')} {TAKES.get(action, '')}".rstrip(),
        )
    code, answer = ACTIONS[action](store or ModelStore(), argument or "", as_json)
    if as_json:
        print(json.dumps(answer, ensure_ascii=False))
    return code


def _list(store: ModelStore, _argument: str, quiet: bool) -> tuple[int, dict[str, Any]]:
    entries = store.list()
    if not quiet:
        rows = [("name", "state", "size", "licence", "from")]
        rows += [
            (entry.name, _state(entry), _size(entry), entry.licence, "" if entry.origin == "shipped" else entry.source)
            for entry in entries
        ]
        width = max(len(name) for name, *_ in rows)
        for name, state, size, licence, source in rows:
            print(f"{name:{width}}  {state:13}  {size:>7}  {licence:10}  {source}".rstrip())
        if any(entry.needs for entry in entries):
            print("'needs train': usable only with the packages of the extra 'train', PyTorch among them.")
    return 0, {"models": [_as_json(entry) for entry in entries]}


def _verify(store: ModelStore, _argument: str, quiet: bool) -> tuple[int, dict[str, Any]]:
    results = store.verify()
    if not quiet:
        for result in results:
            print(f"{'ok   ' if result.ok else 'wrong'}  {result.entry.name}  {result.problem}".rstrip())
    found = [{"name": result.entry.name, "ok": result.ok, "problem": result.problem} for result in results]
    return (0 if all(result.ok for result in results) else 1), {"models": found}


def _get(store: ModelStore, name: str, quiet: bool) -> tuple[int, dict[str, Any]]:
    from tqdm import tqdm

    with tqdm(unit="B", unit_scale=True, unit_divisor=1000, desc=name, file=sys.stderr, disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        path = store.get(name, show)
    if not quiet:
        print(f"{name} is installed: {path}")
    return 0, {"name": name, "path": str(path)}


def _import(store: ModelStore, file: str, quiet: bool) -> tuple[int, dict[str, Any]]:
    entry = store.import_file(Path(file).expanduser())
    if not quiet:
        print(f"Imported as '{entry.name}': {entry.path}")
    return 0, _as_json(entry)


def _remove(store: ModelStore, name: str, quiet: bool) -> tuple[int, dict[str, Any]]:
    store.remove(name)
    if not quiet:
        print(f"{name} is removed.")
    return 0, {"name": name}


ACTIONS: dict[str, Action] = {"list": _list, "verify": _verify, "get": _get, "import": _import, "remove": _remove}
TAKES = {"get": "NAME", "import": "FILE", "remove": "NAME"}


def _state(entry: ModelEntry) -> str:
    if entry.needs:
        return f"needs {entry.needs}"
    if entry.origin == "shipped" and entry.installed:
        return "included"
    return "installed" if entry.installed else "not installed"


def _size(entry: ModelEntry) -> str:
    size = entry.path.stat().st_size if entry.path else entry.size_bytes
    return f"{size / 1e6:.1f} MB" if size else "–"


def _as_json(entry: ModelEntry) -> dict[str, Any]:
    return {
        **entry.model_dump(exclude={"input"}),
        "path": str(entry.path) if entry.path else None,
        "installed": entry.installed,
    }

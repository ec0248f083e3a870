"""manifest.toml: what is known about each model. One record per model, for the shipped folder and for the user's."""

import os
import tomllib
from pathlib import Path
from typing import Any, Literal

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from matting_core.atomic import write_atomically
from matting_core.errors import ModelError
from matting_core.inputs import read_bounded

MANIFEST = "manifest.toml"
LARGEST = 1 << 20
NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,63}$"
# A bare file name: no folder, no drive, nothing hidden, so that a manifest can never point outside its own folder.
FILE_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$"

Origin = Literal["shipped", "download", "user"]


class ModelEntry(BaseModel):
    """One model. `path` is where its file lies, or None while it is not installed; the manifest does not hold it.

    origin: shipped with Mattecam, download (`models get`) or user (`models import`). size_bytes: 0 if not known.
    needs: the extra that must be installed to use it, or empty. source: where the file comes from.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str = Field(pattern=NAME_PATTERN)
    file: str = Field(pattern=FILE_PATTERN)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    origin: Origin
    size_bytes: int = Field(0, ge=0)
    licence: str = "unknown"
    licence_file: str = ""
    attribution: str = ""
    source: str = ""
    source_page: str = ""
    needs: str = ""
    int8_of: str = ""
    input: dict[str, Any] = Field(default_factory=dict)
    measured: dict[str, Any] = Field(default_factory=dict)
    path: Path | None = Field(None, exclude=True)

    @property
    def installed(self) -> bool:
        """Whether the file is there; its hash is another question (ModelStore.find, verify)."""
        return self.path is not None


def read_manifest(folder: Path) -> tuple[ModelEntry, ...]:
    """The records of folder/manifest.toml, without paths; () if there is none. Raises ModelError if it is damaged."""
    path = folder / MANIFEST
    try:
        raw = tomllib.loads(read_bounded(path, LARGEST).decode())
        return tuple(ModelEntry.model_validate(record) for record in raw.get("model", []))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ModelError(
            f"The list of models {path} cannot be read ({error.strerror}).", "Fix its permissions."
        ) from error
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise ModelError(
            f"The list of models {path} is damaged ({reason}).",
            f"Fix it, or move it away: {'move' if os.name == 'nt' else 'mv'} {path} {path}.damaged",
        ) from error


def write_manifest(folder: Path, entries: tuple[ModelEntry, ...]) -> None:
    """Replace folder/manifest.toml in one step. Raises ModelError, with the old one untouched."""
    records = [entry.model_dump(exclude_defaults=True) for entry in entries]
    try:
        write_atomically(folder / MANIFEST, tomli_w.dumps({"version": 1, "model": records}).encode())
    except OSError as error:
        raise ModelError(
            f"The list of models {folder / MANIFEST} cannot be written ({error.strerror}).",
            "Free up disk space, or fix the folder's permissions.",
        ) from error

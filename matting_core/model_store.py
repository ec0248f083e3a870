"""ModelStore: which models there are, where their files are, and whether they are intact."""

import hashlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from matting_core.download import Progress, download
from matting_core.engine import Network
from matting_core.errors import ModelError, UsageError
from matting_core.manifest import MANIFEST, ModelEntry, read_manifest, write_manifest
from matting_core.model_check import check_matting_model
from matting_core.model_import import TORCH_SUFFIXES, checked_name, copy_onnx, make_onnx, model_name
from matting_core.modnet import require_train_extra
from matting_core.own_command import own_command

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).resolve().parents[1] / "models"


@dataclass(frozen=True, slots=True)
class Verification:
    """What `verify` found for one installed model. problem: empty if the file is what the manifest says."""

    entry: ModelEntry
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem

    @property
    def mend(self) -> str:
        """What to do about the problem, or empty."""
        return _restore(self.entry) if self.problem else ""


class ModelStore:
    """The shipped models (read-only) and the user's own folder beside them.

    shipped, user: folders with a manifest.toml; by default the project's `models` and the platform's data folder.
    A damaged user manifest is logged and left out, so that it cannot keep the shipped model from running.
    """

    def __init__(self, shipped: Path = SHIPPED, user: Path | None = None) -> None:
        self._shipped = shipped
        self._user = user or platformdirs.user_data_path("mattecam", appauthor=False) / "models"
        self._hashes: dict[tuple[Path, int, int], str] = {}

    def list(self) -> tuple[ModelEntry, ...]:
        """Every known model, installed or not, shipped ones first. Raises ModelError without a usable shipped list."""
        known = read_manifest(self._shipped)
        if not known:
            raise ModelError(
                f"The list of models {self._shipped / MANIFEST} is missing or empty.",
                "Restore it with: git checkout -- models",
            )
        try:
            own = read_manifest(self._user)
        except ModelError as error:
            log.warning("%s", error)
            own = ()
        names = {entry.name for entry in known}
        return tuple(self._placed(entry) for entry in (*known, *(entry for entry in own if entry.name not in names)))

    def find(self, name: str) -> ModelEntry:
        """The installed model of that name, its SHA-256 checked (once for a file that has not changed).

        Raises UsageError for an unknown name, ModelError if it is not installed, damaged, or a checkpoint.
        """
        entry = self._entry(name)
        if entry.needs:
            raise ModelError(
                f"The model '{name}' is a PyTorch checkpoint, which cannot be run as it is.",
                f"Download it with `models get {name}`, then convert it with `models import FILE`.",
            )
        if entry.int8_of:
            raise ModelError(f"The model '{name}' is the int8 form of another model.", f"Choose {entry.int8_of}.")
        if problem := self._problem(entry):
            raise ModelError(problem, _restore(entry))
        return entry

    def locate(self, name: str) -> Path:
        """The checked file of an installed model. Raises as `find` does."""
        path = self.find(name).path
        assert path is not None, "an entry without a problem is installed"
        return path

    def network(self, name: str, int8: bool = True) -> Network:
        """The checked files of an installed model. int8: with its quantised form, if there is one that is sound.

        Raises as `find` does.
        """
        forms = [entry for entry in self.list() if int8 and entry.int8_of == name]
        for form in forms:
            if problem := self._problem(form):
                log.warning("%s", problem)
        sound = [form.path for form in forms if not self._problem(form)]
        return Network(self.locate(name), sound[0] if sound else None)

    def verify(self) -> tuple[Verification, ...]:
        """Check every installed model's hash, and that what should be there is."""
        expected = [entry for entry in self.list() if entry.installed or entry.origin != "download"]
        return tuple(Verification(entry, self._problem(entry)) for entry in expected)

    def get(self, name: str, progress: Progress | None = None) -> Path:
        """Download a pinned model into the user's folder, resuming an earlier try; at once if it is already there.

        Raises UsageError for an unknown name, ModelError for everything that can go wrong on the way.
        """
        entry = self._entry(name)
        if entry.needs:
            require_train_extra(f"The checkpoint '{name}'")
        if entry.path is not None and not self._problem(entry):
            return entry.path
        if entry.origin != "download":
            raise ModelError(f"The model '{name}' cannot be downloaded.", _restore(entry))
        destination = self._user / entry.file
        download(entry.source, destination, entry.sha256, entry.size_bytes, progress)
        return destination

    def import_file(self, path: Path, name: str | None = None) -> ModelEntry:
        """Take a released .onnx, or a released checkpoint (.ckpt, .pt, .pth) made into one, into the user's folder.

        name: what to call it, [a-z0-9_-]; by default made from the file's name. The same file twice is no error.
        Raises ModelError if the file does not fit, would run code, needs the `train` extra or the name is taken,
        UsageError for an invalid name, and for a missing file.
        """
        name = checked_name(name if name is not None else self._default_name(path))
        if not path.exists():
            raise UsageError(f"The file {path} does not exist.", "Check the path.")
        suffix = path.suffix.lower()
        if suffix not in (".onnx", *TORCH_SUFFIXES):
            raise ModelError(
                f"{path.name} is neither an .onnx file nor a checkpoint.",
                "Import a released MODNet: .onnx or .ckpt.",
            )
        return self._take(name, path.name, {}, lambda copy: make_onnx(path, copy))

    def add(self, path: Path, name: str, source: str, **facts: Any) -> ModelEntry:
        """Take an .onnx that Mattecam made into the user's folder. facts: further fields of ModelEntry.

        source: what it was made from. Raises as `import_file` does.
        """
        return self._take(checked_name(name), source, facts, lambda copy: copy_onnx(path, copy))

    def free_name(self, wanted: str, *, exactly: bool) -> str:
        """A name that a new model can have: `wanted`, or with a number behind it where that is taken.

        Raises UsageError if `exactly` that is wanted and it is taken, or is no name.
        """
        taken = {entry.name for entry in self.list()}
        name, number = checked_name(wanted), 1
        while name in taken:
            if exactly:
                raise UsageError(f"A model named '{name}' already exists.", "Choose another name.")
            number += 1
            name = checked_name(f"{wanted}-{number}")
        return name

    def remove(self, name: str) -> None:
        """Delete a model of the user's own. Raises UsageError for any other one, ModelError if it cannot be deleted."""
        entry = self._entry(name)
        if entry.origin != "user":
            raise UsageError(f"You did not add the model '{name}'.", "Only models that you added can be removed.")
        # The list first: a file that nobody lists does no harm, and a listed one without a file does.
        others = tuple(other for other in read_manifest(self._user) if other.name != name)
        write_manifest(self._user, others)
        try:
            (self._user / entry.file).unlink(missing_ok=True)
        except OSError as error:
            raise ModelError(
                f"The model file {self._user / entry.file} cannot be deleted ({error.strerror}).", "Delete it by hand."
            ) from error
        log.info("removed %s", name)

    def _default_name(self, path: Path) -> str:
        """From the file's name; a fetched checkpoint has an entry of that name already, so its model gets another."""
        name = model_name(path.stem)
        return f"{name}_onnx" if any(entry.name == name and entry.needs for entry in self.list()) else name

    def _take(self, name: str, source: str, facts: dict[str, Any], make: Callable[[Path], object]) -> ModelEntry:
        own = read_manifest(self._user)  # a damaged list stops here, before it could be overwritten
        try:
            self._user.mkdir(parents=True, exist_ok=True)
            # The copy is checked, not the original, so that weights kept in a second file beside it are noticed.
            temporary = self._user / f".import-{secrets.token_hex(8)}.onnx"
            temporary.touch(exist_ok=False)  # with the permissions of any new file, unlike tempfile's
            try:
                make(temporary)
                return self._adopt(temporary, name, source, facts, own)
            finally:
                temporary.unlink(missing_ok=True)
        except OSError as error:
            raise ModelError(
                f"{error.filename or source} cannot be imported into {self._user} ({error.strerror or error}).",
                "Check the file, the folder's permissions and the free space.",
            ) from error

    def _adopt(
        self, copy: Path, name: str, source: str, facts: dict[str, Any], own: tuple[ModelEntry, ...]
    ) -> ModelEntry:
        sha256 = self._sha256(copy)
        taken = next((entry for entry in self.list() if entry.name == name), None)
        if taken is not None:
            if taken.sha256 == sha256 and not self._problem(taken):
                return taken
            if taken.sha256 != sha256 or taken.origin != "user":
                raise ModelError(
                    f"A model named '{name}' already exists.",
                    "Rename the file, for example to my-model.onnx, and try again.",
                )
        check_matting_model(copy, source)
        size = copy.stat().st_size
        entry = ModelEntry(
            name=name, file=f"{name}.onnx", sha256=sha256, size_bytes=size, origin="user", source=source, **facts
        )
        copy.replace(self._user / entry.file)
        write_manifest(self._user, (*(other for other in own if other.name != name), entry))
        log.info("added %s as %s", source, name)
        return self._placed(entry)

    def _entry(self, name: str) -> ModelEntry:
        entries = self.list()
        for entry in entries:
            if entry.name == name:
                return entry
        raise UsageError(f"There is no model '{name}'.", f"Choose one of: {', '.join(e.name for e in entries)}.")

    def _placed(self, entry: ModelEntry) -> ModelEntry:
        path = (self._shipped if entry.origin == "shipped" else self._user) / entry.file
        return entry.model_copy(update={"path": path if path.is_file() else None})

    def _problem(self, entry: ModelEntry) -> str:
        if entry.path is not None and entry.origin != "shipped" and entry.path.is_symlink():
            return f"The model file {entry.path} is a link to another file."
        if entry.path is None:
            return f"The model '{entry.name}' is not installed: {entry.file} is missing."
        try:
            found = self._sha256(entry.path)
        except OSError as error:
            return f"The model file {entry.path} cannot be read ({error.strerror})."
        if found == entry.sha256:
            return ""
        return (
            f"The model file {entry.path} is damaged or was replaced (SHA-256 {found[:12]}…, not {entry.sha256[:12]}…)."
        )

    def _sha256(self, path: Path) -> str:
        status = path.stat()
        key = (path, status.st_size, status.st_mtime_ns)
        if key not in self._hashes:
            with path.open("rb") as file:
                self._hashes[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._hashes[key]


def _restore(entry: ModelEntry) -> str:
    if entry.origin == "shipped":
        return f"Restore it with: git checkout -- models/{entry.file} (or reinstall Mattecam)."
    if entry.origin == "download":
        return f"Download it with: {own_command(f'models get {entry.name}')}"
    return f"Import it again: {own_command(f'models import {entry.source or entry.file}')}"

"""The set-up scripts, with every outside program replaced: nothing is installed here."""

import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Imports a script as a module, and forgets it afterwards."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name in ("bootstrap", "start", "test"):
            del sys.modules[name]


class Machine:
    """A machine without programs: answers commands by their first matching word and keeps them."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.failing: tuple[str, ...] = ()

    def run(self, command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        self.commands.append([str(word) for word in command])
        line = " ".join(self.commands[-1])
        return subprocess.CompletedProcess(command, int(any(word in line for word in self.failing)))

    def installed(self) -> list[str]:
        return [command[-1] for command in self.commands if "install" in command and "-e" in command]


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def bootstrap(
    scripts: Callable[[str], ModuleType], machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModuleType:
    module = scripts("bootstrap")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("")
    (tmp_path / "pyproject.toml").write_text("[project]")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(module, "STAMP", tmp_path / ".venv" / "stamp.json")
    monkeypatch.setattr(module, "PYTHON", python)
    monkeypatch.setattr(module.subprocess, "run", machine.run)
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    monkeypatch.setattr(module.system_libraries, "missing", lambda libraries: ())
    monkeypatch.setattr(module.sys, "platform", "linux")
    monkeypatch.setattr(module.platform, "machine", lambda: "x86_64")
    return module


def with_programs(monkeypatch: pytest.MonkeyPatch, bootstrap: ModuleType, *names: str) -> None:
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/bin/{name}" if name in names else None)


def pretend_installed(bootstrap: ModuleType, package: str) -> None:
    (bootstrap.VENV / "lib" / "site-packages" / f"{package}-1.0.dist-info").mkdir(parents=True)


def test_the_second_start_does_nothing(bootstrap: ModuleType, machine: Machine) -> None:
    bootstrap.prepare()
    assert machine.installed() == [".[cpu]"]
    machine.commands.clear()
    bootstrap.prepare()
    bootstrap.prepare(build="cpu")
    assert machine.commands == []


def test_a_changed_pyproject_sets_up_again(bootstrap: ModuleType, machine: Machine) -> None:
    bootstrap.prepare()
    (bootstrap.ROOT / "pyproject.toml").write_text("[project] # changed")
    bootstrap.prepare()
    assert machine.installed() == [".[cpu]", ".[cpu]"]


def test_a_damaged_stamp_sets_up_again(bootstrap: ModuleType, machine: Machine) -> None:
    for content in ("", "[]", "{}", '{"extras": 3}', "null"):
        bootstrap.STAMP.write_text(content)
        bootstrap.prepare()
    assert len(machine.installed()) == 5


def test_the_tests_extra_joins_what_is_there_and_stays(bootstrap: ModuleType, machine: Machine) -> None:
    bootstrap.prepare(build="cuda")
    bootstrap.prepare(extras=["dev"])
    bootstrap.prepare()
    assert machine.installed() == [".[cuda]", ".[cuda,dev]"]


def test_a_driver_that_answers_chooses_cuda(
    bootstrap: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_programs(monkeypatch, bootstrap, "nvidia-smi")
    bootstrap.prepare()
    assert machine.installed() == [".[cuda]"]


@pytest.mark.parametrize(("system", "processor"), [("darwin", "x86_64"), ("linux", "aarch64")])
def test_where_no_cuda_build_exists_the_cpu_is_chosen(
    bootstrap: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch, system: str, processor: str
) -> None:
    with_programs(monkeypatch, bootstrap, "nvidia-smi")
    monkeypatch.setattr(bootstrap.sys, "platform", system)
    monkeypatch.setattr(bootstrap.platform, "machine", lambda: processor)
    bootstrap.prepare()
    assert machine.installed() == [".[cpu]"]


def test_a_driver_that_does_not_answer_chooses_the_cpu(
    bootstrap: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_programs(monkeypatch, bootstrap, "nvidia-smi")
    machine.failing = ("nvidia-smi",)
    bootstrap.prepare()
    assert machine.installed() == [".[cpu]"]


def test_who_asks_for_cuda_without_a_driver_is_told(
    bootstrap: ModuleType, machine: Machine, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_programs(monkeypatch, bootstrap)
    bootstrap.prepare(build="cuda")
    assert machine.installed() == [".[cuda]"]
    told = capsys.readouterr().err
    assert "No NVIDIA driver answers" in told
    assert "3 GB" in told


def test_cuda_that_cannot_be_installed_falls_back_only_if_nobody_asked_for_it(
    bootstrap: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_programs(monkeypatch, bootstrap, "nvidia-smi")
    machine.failing = ("install -e .[cuda", "install --quiet -e .[cuda")
    bootstrap.prepare()
    assert machine.installed() == [".[cuda]", ".[cpu]"]
    with pytest.raises(bootstrap.SetupError, match="pip could not install"):
        bootstrap.prepare(build="cuda")


def test_the_two_builds_never_stand_together(bootstrap: ModuleType, machine: Machine) -> None:
    pretend_installed(bootstrap, "onnxruntime")
    bootstrap.prepare(build="cuda")
    uninstall = next(command for command in machine.commands if "uninstall" in command)
    assert uninstall[-2:] == ["onnxruntime", "onnxruntime-gpu"]
    assert machine.commands.index(uninstall) < len(machine.commands) - 1
    assert machine.installed() == [".[cuda]"]


def test_the_build_in_place_is_not_removed(bootstrap: ModuleType, machine: Machine) -> None:
    pretend_installed(bootstrap, "onnxruntime_gpu")
    bootstrap.prepare(build="cuda")
    assert not any("uninstall" in command for command in machine.commands)


def test_a_failed_install_leaves_no_stamp(bootstrap: ModuleType, machine: Machine) -> None:
    machine.failing = ("-e .[",)
    with pytest.raises(bootstrap.SetupError):
        bootstrap.prepare()
    assert not bootstrap.STAMP.exists()


def missing_library(monkeypatch: pytest.MonkeyPatch, bootstrap: ModuleType) -> None:
    monkeypatch.setattr(bootstrap.system_libraries, "missing", lambda libraries: ("libxcb-cursor0",))


def test_without_root_the_command_is_named(
    bootstrap: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing_library(monkeypatch, bootstrap)
    with_programs(monkeypatch, bootstrap, "apt-get", "sudo")
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: 1000, raising=False)
    machine.failing = ("sudo -n true",)
    with pytest.raises(bootstrap.SetupError, match="sudo apt-get install -y libxcb-cursor0"):
        bootstrap.prepare()
    assert machine.installed() == []


@pytest.mark.parametrize(("user", "prefix"), [(0, []), (1000, ["sudo", "-n"])])
def test_where_it_may_it_installs_system_packages(
    bootstrap: ModuleType, machine: Machine, monkeypatch: pytest.MonkeyPatch, user: int, prefix: list[str]
) -> None:
    missing_library(monkeypatch, bootstrap)
    with_programs(monkeypatch, bootstrap, "apt-get", "sudo")
    monkeypatch.setattr(bootstrap.os, "geteuid", lambda: user, raising=False)
    bootstrap.prepare()
    installs = [command for command in machine.commands if "apt-get" in command and "libxcb-cursor0" in command]
    assert [command[: len(prefix) + 1] for command in installs] == [[*prefix, "apt-get"]]


def test_without_apt_the_packages_are_named(bootstrap: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    missing_library(monkeypatch, bootstrap)
    with pytest.raises(bootstrap.SetupError, match="libxcb-cursor0"):
        bootstrap.prepare()


def test_no_virtual_screen_is_no_failure(
    bootstrap: ModuleType, machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    bootstrap.prepare(virtual_screen=True)
    assert "virtual screen are skipped" in capsys.readouterr().err
    assert machine.installed() == [".[cpu]"]


def test_start_hands_everything_else_to_the_program(
    bootstrap: ModuleType, scripts: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = scripts("start")
    prepared: list[str] = []
    started: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "prepare", lambda build: prepared.append(build))  # noqa: PLW0108 (called by keyword)
    monkeypatch.setattr(bootstrap, "run", started.append)
    start.main(["--cpu", "run", "--engine", "cpu", "--json"])
    start.main([])
    main = str(bootstrap.ROOT / "main.py")
    assert prepared == ["cpu", ""]
    assert started == [[main, "run", "--engine", "cpu", "--json"], [main]]
    with pytest.raises(SystemExit, match="2"):
        start.main(["--cpu", "--cuda"])


def test_help_sets_nothing_up(
    bootstrap: ModuleType,
    machine: Machine,
    scripts: Callable[[str], ModuleType],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    start = scripts("start")
    started: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", started.append)
    start.main(["--help"])
    assert "[--cpu|--cuda]" in capsys.readouterr().out
    assert not machine.commands
    bootstrap.prepare(build="cpu")
    before = list(machine.commands)
    start.main(["--cuda", "--help"])
    assert started == [[str(bootstrap.ROOT / "main.py"), "--help"]]
    assert machine.commands == before


def test_a_setup_error_is_one_sentence_and_exit_code_1(
    bootstrap: ModuleType, scripts: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = scripts("start")

    def fail(build: str) -> None:
        raise bootstrap.SetupError("Nothing works.")

    monkeypatch.setattr(bootstrap, "prepare", fail)
    with pytest.raises(SystemExit) as caught:
        start.main([])
    assert caught.value.code == "Nothing works."


def test_ctrl_c_in_setting_up_is_one_sentence(
    bootstrap: ModuleType,
    scripts: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start = scripts("start")

    def stop(build: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "prepare", stop)
    with pytest.raises(SystemExit) as caught:
        start.main([])
    assert caught.value.code == 130
    assert "Run it again" in capsys.readouterr().err


def test_the_tests_with_pytorch_install_it_first(
    bootstrap: ModuleType,
    machine: Machine,
    scripts: Callable[[str], ModuleType],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(bootstrap, "run", started.append)
    monkeypatch.chdir(ROOT)
    script = scripts("test")
    script.main(["-x"])
    assert machine.installed() == [".[cpu,dev]"]
    machine.commands.clear()
    script.main(["--train", "-x"])
    installs = [command[-1] for command in machine.commands if "install" in command]
    assert installs == [script.TORCH, ".[cpu,dev,train]"]
    assert started == [["-m", "pytest", "-x"]] * 2
    machine.failing = ("torch==",)
    with pytest.raises(SystemExit, match="could not install torch"):
        script.main(["--train"])


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_ci_runs_the_scripts_that_people_use() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    text = script.read_text()
    assert "python3 scripts/test.py ||" in text
    assert "python3 scripts/test.py --train" in text
    assert "python3 scripts/check.py" in text

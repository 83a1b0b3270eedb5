"""What run.sh says when it cannot make .venv; it never gets as far as installing here."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
NOBODY = 65534
TOOLS = ("bash", "cat", "dirname", "flock", "readlink", "rm", "sha256sum", "uname")


class Machine:
    """A checkout with run.sh, and a PATH with little on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checkout = folder / "check out"
        self.checkout.mkdir()
        for name in ("run.sh", "requirements.lock"):
            shutil.copy(ROOT / name, self.checkout / name)
        self.path = folder / "bin"
        self.path.mkdir()
        for tool in TOOLS:
            found = shutil.which(tool)
            assert found, tool
            (self.path / tool).symlink_to(found)

    def add_python(self, name: str, **modules: str) -> None:
        """Add a Python that sees these modules before its own."""
        shadow = self.folder / f"{name} modules"
        shadow.mkdir()
        for module, text in modules.items():
            (shadow / f"{module}.py").write_text(text)
        real = sys.executable
        self.add(name, f'#!/bin/sh\nPYTHONPATH="{shadow}" exec "{real}" "$@"\n')

    def add(self, name: str, script: str) -> None:
        program = self.path / name
        program.write_text(script)
        program.chmod(0o755)

    def run(
        self, *arguments: str, user: int | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.checkout / "run.sh", *arguments],
            user=user,
            env={"PATH": str(self.path), "HOME": str(self.folder), **variables},
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


OLD = "import sys; sys.version_info = (3, 9, 2, 'final', 0)"
NO_VENV = "raise ImportError('not packaged')"


def test_no_python(machine: Machine):
    result = machine.run("demo")
    assert result.returncode == 1
    assert "no Python found" in result.stderr
    assert "apt install python3 python3-venv" in result.stderr
    assert result.stdout == ""


def test_a_python_that_is_too_old(machine: Machine):
    machine.add_python("python3", sitecustomize=OLD)
    result = machine.run("demo")
    assert result.returncode == 1
    assert "python3 is Python 3.9, and packshot needs 3.11 or newer" in result.stderr
    assert "PYTHON=" in result.stderr
    assert not (machine.checkout / ".venv").exists()


def test_a_python_without_its_venv_module(machine: Machine):
    machine.add_python("python3", ensurepip=NO_VENV)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    result = machine.run("demo")
    assert result.returncode == 1
    assert "venv module is not installed" in result.stderr
    assert f"apt install python{version}-venv" in result.stderr
    assert not (machine.checkout / ".venv").exists()


def test_the_missing_module_matters_more_than_an_older_python(machine: Machine):
    machine.add_python("python3.11", ensurepip=NO_VENV)
    machine.add_python("python3", sitecustomize=OLD)
    assert "venv module is not installed" in machine.run("demo").stderr


def test_a_name_that_does_not_run_is_passed_over(machine: Machine):
    machine.add("python3.13", "#!/bin/sh\necho 'python3.13: command not found' >&2; exit 127\n")
    machine.add_python("python3", sitecustomize=OLD)
    result = machine.run("demo")
    assert "python3 is Python 3.9" in result.stderr
    assert "command not found" not in result.stderr


def test_only_the_chosen_python_is_tried(machine: Machine):
    machine.add_python("python3", ensurepip=NO_VENV)
    machine.add_python("my python", sitecustomize=OLD)
    result = machine.run("demo", PYTHON="my python")
    assert "my python is Python 3.9" in result.stderr


def test_a_checkout_that_cannot_be_written():
    # Not in pytest's own folder, which is its user's alone: root can write everywhere, and
    # becomes nobody.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        machine = Machine(Path(folder))
        machine.checkout.chmod(0o555)
        result = machine.run("demo", user=NOBODY if os.geteuid() == 0 else None)
        machine.checkout.chmod(0o755)
    assert f"cannot write to {machine.checkout}" in result.stderr


def test_a_complete_venv_is_used_as_it_is(machine: Machine):
    """The stamp holds the checksum of the lock; with it, nothing but the command runs."""
    venv = machine.checkout / ".venv"
    (venv / "bin").mkdir(parents=True)
    machine.add("python", '#!/bin/sh\nprintf "%s\\n" "$PWD" "$PYTHONPATH" "$@"\n')
    (machine.path / "python").rename(venv / "bin" / "python")
    stamp = subprocess.run(
        [
            "bash",
            "-c",
            'eval "$(grep -E "^(torch=|wanted)" run.sh)"; lock=requirements.lock wanted',
        ],
        cwd=machine.checkout,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (venv / "packshot-lock").write_text(stamp)

    result = machine.run("up", "--port", "80 80")
    assert result.stdout.splitlines() == [
        *(str(machine.folder), str(machine.checkout), "-m", "cli", "up", "--port", "80 80")
    ]
    in_checkout = [str(machine.checkout), str(machine.checkout), "-m", "pytest"]
    result = machine.run("test", "-k", "one or two")
    assert result.stdout.splitlines() == [*in_checkout, "-m", "not slow", "-k", "one or two"]
    result = machine.run("test", "--all", "-k", "one or two")
    assert result.stdout.splitlines() == [*in_checkout, "-k", "one or two"]

    with (machine.checkout / "requirements.lock").open("a") as lock:
        lock.write("# newer\n")
    assert "up to date" in machine.run("up").stderr
    assert machine.run("up").stderr == ""

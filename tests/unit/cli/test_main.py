"""The command line: what it says and how it ends when something is wrong."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from click import Group
from click.core import Command
from typer.testing import CliRunner

from cli.main import app, main
from core.settings import get_settings
from local.ports import free_port

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in an empty folder; give exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("PACKSHOT_URL", "PACKSHOT_KEY", "PACKSHOT_BUNDLE", "PACKSHOT_DATABASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PACKSHOT_HOME", str(tmp_path / "home"))

    def call(*arguments: object) -> tuple[int, str, str]:
        get_settings.cache_clear()
        monkeypatch.setattr("sys.argv", ["packshot", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    file = tmp_path / "sheet.csv"
    file.write_text("sku,prompt\nMUG,a red mug\n")
    return file


def test_help_names_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for command in ("demo", "up", "submit", "fetch", "migrate", "cache", "keys", "model"):
        assert command in out


def test_help_explains_every_command_argument_and_option() -> None:
    silent = [
        f"{command.name} {parameter.name}"
        for command in _commands(typer.main.get_command(app))
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert not silent


def _commands(command: Command) -> Iterator[Command]:
    assert command.help, command.name
    yield command
    if isinstance(command, Group):
        for one in command.commands.values():
            yield from _commands(one)


def test_a_server_that_does_not_answer(run: Run, sheet: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    code, _, err = run("submit", sheet, "--url", url, "--key", "psk_x")
    assert code == 1
    assert f"packshot: No packshot answers at {url}" in err
    assert "Traceback" not in err


def test_no_server_anywhere(run: Run, sheet: Path) -> None:
    code, _, err = run("submit", sheet)
    assert code == 1
    assert "Start one with `packshot up`, or name a server with --url and --key." in err


def test_a_server_without_a_key(run: Run, sheet: Path) -> None:
    code, _, err = run("submit", sheet, "--url", "http://127.0.0.1:9")
    assert code == 1
    assert "give --key or PACKSHOT_KEY" in err


def test_a_sheet_that_is_not_there(run: Run) -> None:
    for command in (["demo"], ["submit", "--url", "http://127.0.0.1:9", "--key", "psk_x"]):
        code, _, err = run(*command, "nothing.csv")
        assert code == 1
        assert "There is no sheet nothing.csv." in err


def test_an_output_folder_that_cannot_be_written(run: Run, sheet: Path) -> None:
    code, _, err = run("demo", sheet, "--out", sheet / "out")
    assert code == 1
    assert "Choose another folder with --out." in err


def test_a_bundle_that_is_not_there(
    run: Run, sheet: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PACKSHOT_BUNDLE", str(tmp_path / "bundle"))
    code, _, err = run("demo", sheet)
    assert code == 1
    assert "no model bundle at" in err


def test_a_setting_that_makes_no_sense(
    run: Run, sheet: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PACKSHOT_API_PORT", "eighty")
    code, _, err = run("demo", sheet)
    assert code == 2
    assert "PACKSHOT_API_PORT: Input should be a valid integer" in err


def test_keys_need_a_database(run: Run) -> None:
    for command in (["keys", "list"], ["migrate"]):
        code, _, err = run(*command)
        assert code == 1
        assert "or name another database with PACKSHOT_DATABASE_URL." in err


def test_no_bundles_yet(run: Run) -> None:
    code, out, err = run("model", "list")
    assert (code, out) == (0, "")
    assert "No bundles in" in err


def test_wrong_usage(run: Run) -> None:
    assert run("submit")[0] == 2
    assert run("nonsense")[0] == 2


@pytest.mark.parametrize(
    ("typed", "completed"),
    [("packshot publish pl", "plan"), ("packshot web", "webhooks"), ("packshot keys ro", "rotate")],
)
def test_a_shell_is_told_how_a_command_goes_on(typed, completed):
    environment = {
        "_PACKSHOT_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
    }
    said = CliRunner().invoke(app, [], prog_name="packshot", env=environment)
    assert said.stdout.split() == [completed]

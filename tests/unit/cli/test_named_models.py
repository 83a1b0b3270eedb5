"""Commands of a deployment with several models: `--model`, and models that arguments name."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bundles.manifest import Manifest
from bundles.manifest_file import save_manifest
from cli.bundles import describe_models, served_models, with_models
from cli.client.http import Client
from cli.commands import submit as submit_command
from cli.commands import tune as tune_command
from cli.commands.model.listing import list_bundles
from cli.main import app
from core.settings import Settings, fields_in, get_settings
from tests.unit.cli.server import KEY, FakeServer, Job


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PACKSHOT_BUNDLE", "PACKSHOT_MODELS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PACKSHOT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Path]]:
    """Describe a bundle for each name, and have the settings name them so."""

    def serve(*names: str) -> dict[str, Path]:
        folders = {name: tmp_path / f"bundle-of-{name}" for name in names}
        for name, folder in folders.items():
            folder.mkdir()
            manifest = Manifest(name=f"made-as-{name}", revision="a" * 64, source="nowhere")
            save_manifest(manifest, folder)
        written = ",".join(f"{name}={folder}" for name, folder in folders.items())
        monkeypatch.setenv("PACKSHOT_MODELS", written)
        get_settings.cache_clear()
        return folders

    return serve


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)])


@pytest.mark.parametrize("given", [["--model", "studio"], []])
def test_a_sheet_is_submitted_for_the_model_that_is_named(
    given: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sheet.csv").write_text("sku,prompt\nMUG,a red mug\n")
    server = FakeServer([Job("MUG")])
    client = Client("http://shop.test", KEY, patience=0, transport=server.transport)
    monkeypatch.setattr(submit_command, "connect", lambda *_: client)
    assert run("submit", "sheet.csv", "--detach", *given).exit_code == 0
    body = server.requests[0].read().decode()
    # Without the option the server decides, which model is its first.
    assert ('name="model"\r\n\r\nstudio\r\n' in body) == bool(given)
    assert ('name="model"' in body) == bool(given)


def test_models_of_options_reach_every_process_in_their_order(
    serve: Callable[..., dict[str, Path]],
) -> None:
    """Options come before the settings, and what processes are started with reads as the same."""
    folders = serve("ignored", "studio", "other")
    named = [f"{name}={folders[name]}" for name in ("studio", "other")]
    environment = describe_models(with_models(named))
    models = served_models(Settings(**fields_in(environment)))
    assert list(models.items()) == [(name, folders[name]) for name in ("studio", "other")]


@pytest.mark.parametrize("command", ["up", "demo"])
def test_a_model_without_a_bundle_is_refused_before_anything_starts(
    command: str, home: Path, tmp_path: Path, serve: Callable[..., dict[str, Path]]
) -> None:
    good = serve("good")["good"]
    sheet = tmp_path / "sheet.csv"
    sheet.write_text("sku,prompt\nMUG,a red mug\n")
    arguments = [command, *([sheet] if command == "demo" else [])]
    result = run(*arguments, "--model", f"good={good}", "--model", f"bad={tmp_path / 'nowhere'}")
    assert result.exit_code != 0
    assert f"no model bundle at {tmp_path / 'nowhere'}" in str(result.exception)
    assert not (home / "postgres").exists()
    assert not (home / "logs").exists()


def test_a_model_that_is_not_name_and_folder_is_refused() -> None:
    result = run("up", "--model", "/models/studio")
    assert result.exit_code != 0
    assert "write starter=/models/starter" in str(result.exception)


def test_each_bundle_is_listed_with_the_models_that_serve_it(
    serve: Callable[..., dict[str, Path]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folders = serve("studio", "other")
    written = ",".join(
        f"{name}={folder}" for name, folder in (*folders.items(), ("proof", folders["studio"]))
    )
    monkeypatch.setenv("PACKSHOT_MODELS", written)
    list_bundles()
    _, *lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[-1]: line.strip() for line in lines}
    assert listed[str(folders["studio"])].startswith("studio, proof ")
    assert listed[str(folders["other"])].startswith("other ")


class EnoughKnownError(Exception):
    """The model is about to be loaded."""


@pytest.mark.parametrize(
    ("named", "tuned"), [(["other"], "other"), ([], "studio"), (["bundle-of-other"], "other")]
)
def test_tuning_takes_a_models_name_a_folder_or_the_first_model(
    named: list[str],
    tuned: str,
    serve: Callable[..., dict[str, Path]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folders = serve("studio", "other")
    loaded: list[Path] = []

    def bench(folder: Path, *_: object) -> None:
        loaded.append(folder.resolve())
        raise EnoughKnownError

    monkeypatch.setattr(tune_command, "_settle", lambda _: None)
    monkeypatch.setattr(tune_command, "_bench", bench)
    assert isinstance(run("tune", *named).exception, EnoughKnownError)
    assert loaded == [folders[tuned]]

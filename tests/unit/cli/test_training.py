"""Commands by which models learn: what they take, and what they say."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from cli.main import main
from tests.support.made_once import MadeOnce

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command in an empty folder; give exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["packshot", "model", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call


@pytest.fixture
def source(microscopic: Path) -> Path:
    return microscopic


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        Image.new("RGB", (40, 40), (40 * number, 0, 0)).save(folder / f"{number}.png")
        (folder / f"{number}.txt").write_text(f"thing {number}")
    return folder


def test_finetune_writes_a_model_and_says_how_to_use_it(
    run: Run, source: Path, photos: Path
) -> None:
    (photos / "3.png").write_bytes(b"no image")
    code, out, err = run(
        "finetune", source, "--data", photos, "--out", "mine", "--steps", 2, "--batch", 2,
        "--device", "cpu", "--no-mixed-precision",
    )  # fmt: skip
    assert (code, out) == (0, "mine\n")
    assert "3.png cannot be read" in err
    assert "packshot model build mine --name NAME" in err
    assert Path("mine/model_index.json").is_file()


def test_shrink_says_what_was_saved(run: Run, source: Path) -> None:
    code, out, err = run(
        "shrink", source, "--remove", "mid", "--out", "small", "--steps", 1, "--batch", 2,
        "--device", "cpu",
    )  # fmt: skip
    assert (code, out) == (0, "small\n")
    said = re.search(r"Parameters of the UNet: ([\d,]+) before, ([\d,]+) now", err)
    assert said is not None
    before, now = (int(number.replace(",", "")) for number in said.groups())
    assert now < before


def test_bake_guidance_says_what_is_baked_in(run: Run, source: Path) -> None:
    code, out, err = run(
        "bake-guidance", source, "--guidance-scale", "2.5", "--out", "baked", "--steps", 1,
        "--batch", 1, "--device", "cpu",
    )  # fmt: skip
    assert (code, out) == (0, "baked\n")
    assert "A guidance scale of 2.5 is baked in" in err
    assert "packshot model build baked --name NAME" in err


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PACKSHOT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_tiny_decoder_becomes_a_bundle_and_its_error_is_said(
    run: Run, made_once: MadeOnce, home: Path
) -> None:
    options = ("--pictures", 2, "--width", 8, "--steps", 1, "--device", "cpu", "--name", "quick")
    code, out, err = run("tiny-decoder", made_once.bundle(), *options)
    assert code == 0, err
    bundle = Path(out.strip())
    assert bundle == home / "bundles" / "quick"
    assert (bundle / "manifest.json").is_file()
    assert re.search(r"parameters; beside the bundle's own decoder [\d.]+ dB", err)
    code, out, err = run("tiny-decoder", made_once.bundle(), *options)
    assert (code, out) == (1, "")
    assert "exists: give another name with --name" in err
    code, out, err = run("tiny-decoder", bundle, "--name", "quicker", "--device", "cpu")
    assert (code, out) == (1, "")
    assert "has a tiny decoder already" in err
    assert not bundle.with_name("quicker").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["shrink", "photos/0.png", "--remove", "mid"], "photos/0.png is a single file"),
        (["shrink", "SOURCE", "--remove", "head"], "'head' is no part that can be removed"),
        (["shrink", "SOURCE", "--remove", ","], "Name something to remove"),
        (["bake-guidance", "SOURCE"], "draws without guidance: there is nothing to bake in"),
        (["quantise-train", "SOURCE", "--tome", "half"], "--tome takes one or two shares"),
        (["quantise-train", "SOURCE", "--tome", "0.9"], "cannot merge a share of 0.9"),
        (["quantise-train", "SOURCE", "--device", "tpu"], "No device is called 'tpu'"),
        (["quantise-train", "SOURCE", "--learning-rate", "-1"], "learning rate must be above 0"),
        (["finetune", "SOURCE", "--data", "photos", "--minutes", "0"], "minutes must be above 0"),
        (["finetune", "SOURCE", "--data", "empty"], "empty has no images"),
        (["finetune", "SOURCE", "--data", "photos", "--resolution", "50"], "cannot be trained at"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    run: Run, source: Path, photos: Path, arguments: list[str], message: str
) -> None:
    Path("empty").mkdir()
    given = [str(source) if argument == "SOURCE" else argument for argument in arguments]
    code, out, err = run(*given, "--out", "out")
    assert (code, out) == (1, "")
    assert message in err
    assert "Traceback" not in err
    assert not Path("out").exists()

"""What `packshot model list` says of each bundle."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bundles.manifest import DeepCache, Defaults, FeatureVariant, Manifest, TokenMergingPlan
from bundles.manifest_file import save_manifest
from bundles.plan import Plan, TunedPlan, save_plan, this_machine
from cli.commands.model.listing import COLUMNS, list_bundles

REVISION = "ab" * 32

VARIANTS = (
    FeatureVariant(name="full", leaves=("deep",)),
    FeatureVariant(name="shallow", takes=("deep",), work=0.2),
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PACKSHOT_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def add(home: Path) -> Callable[..., Path]:
    def add(name: str, **values: Any) -> Path:
        folder = home / "bundles" / name
        (folder / "unet").mkdir(parents=True)
        (folder / "unet" / "openvino_model.bin").write_bytes(bytes(2_500_000))
        fields = {"name": name, "revision": REVISION, "source": "made-up"} | values
        save_manifest(Manifest(**fields), folder)
        return folder

    return add


@pytest.fixture
def tuned(home: Path) -> Callable[..., None]:
    """Store what `packshot tune` measured on a machine that differs from this one as is said."""

    def tuned(steps_per_second: float, **machine: Any) -> None:
        save_plan(
            home,
            TunedPlan(
                plan=Plan(), machine=this_machine().model_copy(update=machine), revision=REVISION,
                width=512, height=768, steps_per_second=steps_per_second, images_per_minute=1,
                image_seconds=1, tuned_at=datetime.now(UTC),
            ),
        )  # fmt: skip

    return tuned


@pytest.fixture
def listed(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, str]]]:
    def listed() -> list[dict[str, str]]:
        list_bundles()
        header, *lines = capsys.readouterr().out.splitlines()
        starts = [header.index(column) for column in COLUMNS]
        ends = [*starts[1:], None]
        return [
            {column: line[start:end].strip() for column, start, end in
             zip(COLUMNS, starts, ends, strict=True)}
            for line in lines
        ]  # fmt: skip

    return listed


def test_everything_that_is_known_of_a_bundle_is_shown(add, listed, tuned) -> None:
    folder = add(
        "mugs",
        precision="int8",
        licence="Apache-2.0",
        token_merging=TokenMergingPlan(ratios=(0.5, 0.25), mode="drop"),
        feature_caching=DeepCache(interval=3, variants=VARIANTS),
        defaults=Defaults(width=512, height=768),
        scores={"psnr": 31.26, "ssim": 0.9514, "attribute_accuracy": 0.995, "clip_score": 0.8},
    )
    tuned(12.34)
    (row,) = listed()
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    assert row == {
        "name": "mugs",
        "model": "",
        "size": "512×768",
        "precision": "int8",
        "merging": "0.5, 0.25 drop",
        "features": "DeepCache 3",
        "scores": "attributes 99.5%, 31.3 dB, SSIM 0.951, CLIP 0.800",
        "speed": "12.3 steps/s",
        "disk": f"{size / 1e6:.1f} MB",
        "licence": "Apache-2.0",
        "revision": REVISION[:12],
        "folder": str(folder),
    }


def test_the_speed_on_some_of_the_cpus_is_shown(add, listed, tuned) -> None:
    """`tune` keeps to the CPUs that a worker will have; the table is made without."""
    add("mugs")
    tuned(3.21, cores=this_machine().cores + 1)
    assert listed()[0]["speed"] == "3.21 steps/s"


def test_of_several_speeds_the_last_is_shown(add, listed, tuned) -> None:
    add("mugs")
    tuned(5, cores=4)
    tuned(7, cores=2)
    assert listed()[0]["speed"] == "7 steps/s"


def test_what_was_not_measured_is_a_dash(add, listed) -> None:
    add("plain")
    (row,) = listed()
    assert (row["merging"], row["scores"], row["speed"]) == ("–", "–", "–")


def test_no_merging_and_a_ratio_of_nothing_look_the_same(add, listed) -> None:
    add("none", token_merging=TokenMergingPlan(ratios=(0.0,)))
    assert listed()[0]["merging"] == "–"


def test_a_damaged_bundle_does_not_hide_the_others(add, home, capsys) -> None:
    add("good")
    bad = add("bad")
    (bad / "manifest.json").write_text("{")
    list_bundles()
    said = capsys.readouterr()
    assert "good" in said.out
    assert "bad" in said.err

import json
import subprocess
import sys

import pytest
from pydantic import ValidationError

from bundles.manifest import FORMAT, Defaults, Manifest, scheduler_support
from bundles.manifest_file import load_manifest, save_manifest
from core.domain.schedulers import KNOWN
from core.errors import BundleError

MANIFEST = Manifest(
    name="starter",
    revision="ab" * 32,
    source="weights",
    licence="Apache-2.0",
    defaults=Defaults(steps=12),
    prediction_type="v_prediction",
    scores={"colour": 0.99},
)


def write(folder, **changes) -> None:
    content = json.loads(MANIFEST.model_dump_json()) | changes
    (folder / "manifest.json").write_text(json.dumps(content))


def test_what_was_saved_is_loaded(tmp_path):
    save_manifest(MANIFEST, tmp_path)
    assert load_manifest(tmp_path) == MANIFEST


def test_a_manifest_cannot_change():
    with pytest.raises(ValidationError):
        MANIFEST.name = "other"


def test_a_manifest_of_before_has_no_record_of_schedulers(tmp_path):
    write(tmp_path)
    content = json.loads((tmp_path / "manifest.json").read_text())
    del content["schedulers"]
    (tmp_path / "manifest.json").write_text(json.dumps(content))
    manifest = load_manifest(tmp_path)
    assert manifest.schedulers is None
    found = scheduler_support(manifest, tmp_path)
    assert set(found) == set(KNOWN)
    assert all(one.works for one in found.values())
    assert (found["lcm"].most_steps, found["ddim"].most_steps) == (50, 999)


@pytest.mark.parametrize("folder", ["absent", "."])
def test_a_missing_bundle_says_how_to_make_one(tmp_path, folder):
    with pytest.raises(BundleError, match=r"no model bundle at .*packshot model build"):
        load_manifest(tmp_path / folder)


def test_a_newer_format_asks_for_an_upgrade_even_with_unknown_members(tmp_path):
    write(tmp_path, format=FORMAT + 1, invention="yes")
    with pytest.raises(BundleError, match="upgrade packshot"):
        load_manifest(tmp_path)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"revision": "short"}, "revision"),
        ({"defaults": {"steps": 0}}, "defaults.steps"),
        ({"invention": "yes"}, "invention"),
        ({"format": "one"}, "format"),
    ],
)
def test_damage_is_named_and_the_way_out_too(tmp_path, changes, where):
    write(tmp_path, **changes)
    with pytest.raises(BundleError, match=rf"damaged \({where}: .*packshot model build"):
        load_manifest(tmp_path)


@pytest.mark.parametrize("text", ["{", "", "\x00"])
def test_a_torn_file_is_not_a_bundle(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(BundleError, match="cannot be read"):
        load_manifest(tmp_path)


def test_a_list_is_not_a_manifest(tmp_path):
    (tmp_path / "manifest.json").write_text("[]")
    with pytest.raises(BundleError, match="damaged"):
        load_manifest(tmp_path)


def test_reading_manifests_loads_no_model_library():
    heavy = {"safetensors", "torch", "openvino", "diffusers", "optimum", "nncf", "transformers"}
    code = (
        "import sys, bundles.manifest, bundles.plan; print(*{m.split('.')[0] for m in sys.modules})"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert "bundles" in loaded
    assert heavy.isdisjoint(loaded)

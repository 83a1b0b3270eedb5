"""What compose.yaml runs once, run with its own words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bundles.manifest import load_manifest
from local.s3 import REGION, S3
from tests.integration import compose_file
from tests.integration.compose_file import ROOT

HOME = "/var/lib/packshot"
"""PACKSHOT_HOME of the images."""


@pytest.fixture(scope="module")
def compose():
    return compose_file.read(dict.fromkeys(compose_file.NEEDED, "x"))["services"]


def test_the_bucket_is_made_once(compose, tmp_path: Path):
    python, *arguments = compose["bucket"]["command"]
    assert python == "python"
    with S3(tmp_path) as s3:
        environment = {
            **os.environ,
            "PACKSHOT_S3_ENDPOINT_URL": s3.endpoint_url,
            "PACKSHOT_S3_BUCKET": "packshot",
            "PACKSHOT_S3_REGION": REGION,
            "PACKSHOT_S3_ACCESS_KEY_ID": s3.access_key_id,
            "PACKSHOT_S3_SECRET_ACCESS_KEY": s3.secret_access_key,
        }
        for _ in range(2):
            subprocess.run([sys.executable, *arguments], env=environment, cwd=ROOT, check=True)
            buckets = s3.client.list_buckets()["Buckets"]
            assert [bucket["Name"] for bucket in buckets] == ["packshot"]


def provide_bundle(compose, home: Path, bundle: str) -> subprocess.CompletedProcess[str]:
    """Run the service `bundle` to its end, the repository in the place of the image's /app."""
    words = [word.replace("/app/", f"{ROOT}/") for word in compose["bundle"]["command"]]
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONSAFEPATH": "1",
        "PACKSHOT_HOME": str(home),
        "PACKSHOT_BUNDLE": bundle,
    }
    return subprocess.run(
        words, env=environment, cwd=home, text=True, capture_output=True, check=False
    )


def test_the_starter_is_built_into_an_empty_volume(compose, tmp_path: Path):
    bundle = compose["bundle"]["environment"]["PACKSHOT_BUNDLE"].replace(HOME, str(tmp_path))
    done = provide_bundle(compose, tmp_path, bundle)
    assert done.returncode == 0, done.stderr
    assert load_manifest(Path(bundle)).name == "starter"
    assert compose["bundle"]["volumes"] == [f"packshot:{HOME}"]
    assert f"PACKSHOT_HOME={HOME}\n" in (ROOT / "Dockerfile").read_text()


def test_a_bundle_that_is_not_there_is_refused(compose, tmp_path: Path):
    done = provide_bundle(compose, tmp_path, f"{tmp_path}/bundles/shop")
    assert done.returncode == 1
    assert done.stderr == (
        f"There is no bundle at {tmp_path}/bundles/shop: build one, or leave PACKSHOT_BUNDLE out "
        "for the starter.\n"
    )
    assert not list(tmp_path.iterdir())

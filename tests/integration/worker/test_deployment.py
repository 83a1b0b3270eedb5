"""compose.yaml without containers: its commands with its variables, on services of this machine.

Hosts, ports and folders are replaced, and what belongs to the API image sees its packages only;
all else is as the file says. One deployment serves all tests here.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import make_url

from local.infrastructure import Infrastructure
from local.ports import free_port
from tests.integration import compose_file
from tests.integration.compose_file import ROOT
from tests.integration.shop import poll
from tests.receiver import receiving

SECONDS = 300
ONCE = ("migrate", "bucket", "bundle")
PORTS = {
    "api": "8000",
    "sheets": "8001",
    "worker": "9100",
    "housekeeping": "9100",
    "flower": "5555",
}
HEALTHY = (*PORTS, "webhooks")
MEASURED = ("api", "sheets", "worker", "housekeeping")
"""Those that Prometheus reads."""
TOKEN = "a-metrics-token"
LOGIN = "watcher:a-flower-password"


class Deployment:
    """The processes of compose.yaml that are ours."""

    def __init__(
        self, services: Infrastructure, bundle: Path, folder: Path, chosen: Mapping[str, str]
    ) -> None:
        self.folder = folder
        postgres = make_url(services.postgres.url("compose"))
        passwords = {
            "POSTGRES_PASSWORD": postgres.password,
            "VALKEY_PASSWORD": services.valkey.password,
            "PACKSHOT_S3_ACCESS_KEY_ID": services.s3.access_key_id,
            "PACKSHOT_S3_SECRET_ACCESS_KEY": services.s3.secret_access_key,
            "PACKSHOT_METRICS_TOKEN": TOKEN,
            "FLOWER_BASIC_AUTH": LOGIN,
            "GRAFANA_PASSWORD": "a-grafana-password",
        }
        self.secrets = list(passwords.values())
        variables = {**passwords, **chosen, "PACKSHOT_BUNDLE": str(bundle)}
        self.services: dict[str, Any] = compose_file.read(variables)["services"]
        self.places = {
            "@postgres:5432/packshot": f"@127.0.0.1:{postgres.port}/compose",
            "@valkey:6379": f"@127.0.0.1:{services.valkey.port}",
            "http://s3:8333": services.s3.endpoint_url,
        }
        self.ports = {name: str(free_port()) for name in PORTS}
        self.places["http://sheets:8001"] = f"http://127.0.0.1:{self.ports['sheets']}"
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.healthy: set[str] = set()

    @property
    def ours(self) -> list[str]:
        return [name for name, service in self.services.items() if "build" in service]

    def command(self, name: str, words: Sequence[str]) -> list[str]:
        """Turn a command of a service into one of this machine."""
        words = [self.moved(name, word) for word in words]
        return [sys.executable, *words[1:]] if words[0] == "python" else words

    def moved(self, name: str, text: str) -> str:
        """Replace addresses and folders of containers by those of this machine."""
        text = text.replace("/tmp/health", str(self.folder / f"{name}.health"))
        for old, new in self.places.items():
            text = text.replace(old, new)
        return text.replace(PORTS[name], self.ports[name]) if name in PORTS else text

    def environment(self, name: str) -> dict[str, str]:
        """Give what the container would have: the image's variables and the file's, no others."""
        values = self.services[name]["environment"]
        image = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "PACKSHOT_HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
            "PYTHONSAFEPATH": "1",
            "OMP_NUM_THREADS": "1",
        }
        if self.services[name]["build"]["target"] == "api":
            image["PYTHONPATH"] += f":{ROOT / 'tests' / 'integration' / 'only_locked'}"
            image["ONLY_LOCKED"] = str(ROOT / "requirements-api.lock")
        return image | {key: self.moved(name, value) for key, value in values.items()}

    def run(self, name: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        """Run a command in the place of a service's container, to its end."""
        return subprocess.run(
            self.command(name, words),
            env=self.environment(name),
            cwd=self.folder,
            text=True,
            capture_output=True,
            check=False,
        )

    def start(self, name: str) -> None:
        with self.log(name).open("wb") as log:
            self.processes[name] = subprocess.Popen(
                self.command(name, self.services[name]["command"]),
                env=self.environment(name),
                cwd=self.folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Give what it logged; libraries say other things before there is a log."""
        text = self.log(name).read_text()
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def wait_until_healthy(self, name: str) -> None:
        kind, *words = self.services[name]["healthcheck"]["test"]
        assert kind == "CMD"

        def healthy() -> bool:
            assert self.processes[name].poll() is None, self.log(name).read_text()
            if self.run(name, words).returncode == 0:
                return True
            time.sleep(0.5)  # each look is a process
            return False

        if name not in self.healthy:
            poll(healthy, seconds=SECONDS)
            self.healthy.add(name)

    def value(self, name: str, sample: str, **labels: str) -> float:
        """Give a sample that a process exports."""
        for family in text_string_to_metric_families(self.metrics(name)):
            for one in family.samples:
                if (one.name, one.labels) == (sample, labels):
                    return one.value
        raise KeyError(sample)

    def metrics(self, name: str) -> str:
        url = f"http://127.0.0.1:{self.ports[name]}/metrics"
        answer = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, trust_env=False)
        assert answer.status_code == 200
        return answer.text


@pytest.fixture(scope="module")
def deployment(services, bundle, tmp_path_factory) -> Iterator[Deployment]:
    services.postgres.create_database("compose")
    services.valkey.flush()
    receivers = {
        "PACKSHOT_OUTBOUND_ALLOW": "127.0.0.1",
        "PACKSHOT_OUTBOUND_PORTS": "1024-65535",
    }
    folder = tmp_path_factory.mktemp("compose")
    deployment = Deployment(services, bundle, folder, receivers)
    for name in ONCE:
        done = deployment.run(name, deployment.services[name]["command"])
        assert done.returncode == 0, (name, done.stderr)
    try:
        for name in deployment.ours:
            if name not in ONCE:
                deployment.start(name)
        yield deployment
    finally:
        for process in deployment.processes.values():
            process.kill()
            process.wait()
        with contextlib.suppress(Exception):
            services.postgres.drop_database("compose")


@pytest.mark.parametrize("name", HEALTHY)
def test_a_service_passes_its_health_check(deployment, name):
    deployment.wait_until_healthy(name)


@pytest.mark.parametrize("name", ["housekeeping", "webhooks"])
def test_a_process_of_loops_that_stand_still_is_unhealthy(deployment, name):
    deployment.wait_until_healthy(name)
    process, file = deployment.processes[name], deployment.folder / f"{name}.health"
    process.send_signal(signal.SIGSTOP)
    # It stands a moment after the signal, and could write its file once more.
    os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WNOWAIT)
    try:
        os.utime(file, (0, 0))
        words = deployment.services[name]["healthcheck"]["test"][1:]
        assert deployment.run(name, words).returncode != 0
    finally:
        process.send_signal(signal.SIGCONT)
    poll(lambda: deployment.run(name, words).returncode == 0, seconds=SECONDS)


@contextmanager
def order_from(deployment: Deployment) -> Iterator[tuple[httpx.Client, str]]:
    """Make a key as the file says, and give a client with it."""
    deployment.wait_until_healthy("api")
    keys = ["python", "-m", "cli", "keys", "create", "--tenant", "shop"]
    made = deployment.run("api", [*keys, "--name", "test"])
    assert made.returncode == 0, made.stderr
    (key,) = re.findall(r"psk_\S+", made.stdout)
    url = f"http://127.0.0.1:{deployment.ports['api']}"
    headers = {"Authorization": f"Bearer {key}", "X-Request-ID": "order-66"}
    with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
        yield client, key


def succeeded(client: httpx.Client, job: str) -> dict[str, Any]:
    """Wait for an image."""
    poll(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "succeeded", seconds=SECONDS)
    found: dict[str, Any] = client.get(f"/v1/jobs/{job}").json()
    return found


def test_an_image_is_made_told_shown_and_followed(deployment):
    for name in ("worker", "flower"):
        deployment.wait_until_healthy(name)
    with order_from(deployment) as (client, key), receiving() as receiver:
        registered = client.post("/v1/webhook-endpoints", json={"url": receiver.url})
        assert registered.status_code == 201, registered.text
        asked = client.post("/v1/jobs", json={"prompt": "a purple gadget", "steps": 2})
        assert asked.status_code == 202, asked.text
        job = succeeded(client, asked.json()["id"])
        poll(lambda: receiver.received, seconds=SECONDS)
        told = json.loads(receiver.received[0].body)
    assert (told["type"], told["data"]["job_id"]) == ("image.completed", job["id"])
    assert shown(deployment, job["generation_id"], until="SUCCESS")["runtime"] > 0

    lines = deployment.lines("api")
    access = [line for line in lines if "POST /v1/jobs " in line["message"]]
    assert [line["request_id"] for line in access] == ["order-66"]
    (accepted,) = [line for line in lines if line["message"] == "accepted"]
    assert accepted["request_id"] == "order-66"
    assert (accepted["job"], accepted["generation"]) == (job["id"], job["generation_id"])
    stored = [line for line in deployment.lines("worker") if line["message"] == "image stored"]
    assert [line["job"] for line in stored] == [job["id"]]
    for name in deployment.processes:
        said = deployment.log(name).read_text()
        for secret in ("gadget", key, *deployment.secrets):
            assert secret not in said, name


def shown(deployment: Deployment, generation: str, *, until: str) -> dict[str, Any]:
    """Wait until Flower shows a task's state; give the task."""
    url = f"http://127.0.0.1:{deployment.ports['flower']}/api/task/info/{generation}"
    login = tuple(LOGIN.split(":"))

    def ask() -> dict[str, Any]:
        answer = httpx.get(url, auth=login, trust_env=False, timeout=60)
        return answer.json() if answer.is_success else {"state": None}

    poll(lambda: ask()["state"] == until, seconds=SECONDS)
    return ask()


def test_a_sheet_is_read_by_its_service(deployment):
    deployment.wait_until_healthy("sheets")
    with order_from(deployment) as (client, _):
        form = {"file": ("sheet.csv", "sku,prompt\nA,a green gadget\n", "text/csv")}
        identity = {"X-Request-ID": "sheet-66"}
        answer = client.post("/v1/batches", files=form, data={"dry_run": "true"}, headers=identity)
    assert answer.status_code == 200, answer.text
    for name in ("api", "sheets"):
        lines = [one for one in deployment.lines(name) if one.get("request_id") == "sheet-66"]
        assert any("POST /v1/batches " in line["message"] for line in lines), name


def test_metrics_add_up_what_an_image_took_and_its_repeat_saved(deployment):
    deployment.wait_until_healthy("worker")
    lane, done = {"lane": "interactive"}, {"outcome": "succeeded"}
    counted: dict[str, dict[str, str]] = {
        "packshot_unet_batch_images_count": {},
        "packshot_unet_batch_images_sum": {},
        "packshot_unet_steps_total": {},
        "packshot_attempts_total": done,
        "packshot_image_seconds_count": lane,
        "packshot_image_seconds_sum": lane,
        "process_cpu_seconds_total": {},
    }

    def read() -> list[float]:
        return [deployment.value("worker", name, **labels) for name, labels in counted.items()]

    with order_from(deployment) as (client, _):
        request = {"prompt": "a lilac gizmo", "steps": 3}
        before = read()
        job = succeeded(client, client.post("/v1/jobs", json=request).json()["id"])
        # The attempt is counted when its thread is through with it, after the image is there.
        poll(lambda: read()[3] > before[3], seconds=SECONDS)
        *numbers, seconds, cpu = [after - ago for after, ago in zip(read(), before, strict=True)]
        assert numbers == [3, 3, 3, 1, 1]
        assert seconds == pytest.approx(job["seconds"], abs=0.01)
        assert cpu > 0

        again = client.post("/v1/jobs", json=request).json()
        assert again["cache"] == "exact"
    hit = {"level": "result", "outcome": "hit"}
    poll(lambda: saved(deployment, "events", **hit) == 1, seconds=SECONDS)
    assert saved(deployment, "saved_steps", **hit) == 3
    assert saved(deployment, "saved_seconds", **hit) == pytest.approx(job["seconds"], abs=0.01)


def saved(deployment: Deployment, what: str, **labels: str) -> float | None:
    try:
        return deployment.value("api", f"packshot_cache_{what}_total", **labels)
    except KeyError:
        return None


def test_every_metric_of_rules_and_dashboard_is_exported(deployment):
    exported = set()
    for name in MEASURED:
        deployment.wait_until_healthy(name)
        exported |= names_in(deployment.metrics(name))
    rules = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text()
    dashboard = (ROOT / "deploy" / "grafana" / "dashboards" / "packshot.json").read_text()
    recorded = set(re.findall(r"record: (\S+)", rules))
    used = set(re.findall(r"\b(?:packshot[:_]|process_)[\w:]+", expressions(rules, dashboard)))
    assert len(used) > 20
    assert used <= exported | recorded


def names_in(metrics: str) -> set[str]:
    """Give the names of the series, also of those that have none yet."""
    names = set()
    for name, kind in re.findall(r"^# TYPE (\S+) (\w+)$", metrics, re.MULTILINE):
        suffixes = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
        names |= {name + suffix for suffix in suffixes}
    return names


def expressions(rules: str, dashboard: str) -> str:
    groups = yaml.safe_load(rules)["groups"]
    found = [rule["expr"] for group in groups for rule in group["rules"]]
    panels = json.loads(dashboard)["panels"]
    return "\n".join(found + [target["expr"] for panel in panels for target in panel["targets"]])


def test_prometheus_reads_all_processes_as_configured(deployment, tmp_path):
    prometheus = shutil.which("prometheus")
    if prometheus is None:
        pytest.skip("prometheus is not installed (Debian: apt-get install prometheus)")
    for name in MEASURED:
        deployment.wait_until_healthy(name)
    folder = shutil.copytree(ROOT / "deploy" / "prometheus", tmp_path / "etc")
    (tmp_path / "token").write_text(TOKEN)
    configuration = folder / "prometheus.yml"
    configuration.write_text(on_loopback(configuration.read_text(), deployment.ports, tmp_path))
    port = free_port()
    words = [
        word.replace("/etc/prometheus", str(folder)).replace("=/prometheus", f"={tmp_path}/data")
        for word in deployment.services["prometheus"]["command"]
    ]
    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [prometheus, *words, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log
        ) as process,
    ):
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
                poll(lambda: up(client) == dict.fromkeys(MEASURED, "up"), seconds=SECONDS)
                rules = client.get("/api/v1/rules").json()["data"]["groups"]
        finally:
            process.terminate()
            process.wait()
    assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}
    assert sum(len(group["rules"]) for group in rules) > 10


def on_loopback(configuration: str, ports: Mapping[str, str], folder: Path) -> str:
    """Replace DNS names by this machine's ports, and look sooner."""
    parsed = yaml.safe_load(configuration)
    parsed["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    for job in parsed["scrape_configs"]:
        (found,) = job.pop("dns_sd_configs")
        assert found["names"] == [job["job_name"]]
        assert str(found["port"]) == PORTS[job["job_name"]]
        assert job["authorization"]["credentials_file"] == "/run/secrets/metrics_token"
        job["authorization"]["credentials_file"] = str(folder / "token")
        job["static_configs"] = [{"targets": [f"127.0.0.1:{ports[job['job_name']]}"]}]
    return yaml.safe_dump(parsed)


def up(client: httpx.Client) -> dict[str, str]:
    try:
        answer = client.get("/api/v1/targets")
    except httpx.TransportError:
        return {}
    targets = answer.json()["data"]["activeTargets"] if answer.is_success else ()
    return {target["labels"]["job"]: target["health"] for target in targets}


def test_every_service_runs_on_and_ends_on_sigterm(deployment):
    names = set(deployment.processes)
    assert names == set(deployment.ours) - set(ONCE)
    for name in ("api", "worker", "flower"):
        deployment.wait_until_healthy(name)
    for name, process in deployment.processes.items():
        assert process.poll() is None, (name, deployment.log(name).read_text())
        process.send_signal(signal.SIGTERM)
    codes = {name: process.wait(SECONDS) for name, process in deployment.processes.items()}
    assert codes == dict.fromkeys(names, 0)

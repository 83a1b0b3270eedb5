"""What can be said about compose.yaml and the Dockerfile without Docker."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from core.settings import Settings
from tests.integration import compose_file

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
ALERTS = Path(__file__).with_name("alerts.yml")
OURS = (
    "migrate", "bucket", "bundle", "api", "sheets", "worker", "housekeeping", "webhooks", "flower"
)  # fmt: skip
NOT_PASSED = {
    # The image says where it is.
    "home",
    # It is written into PACKSHOT_MODELS.
    "bundle",
    # Containers are given CPUs by the engine.
    "worker_cpus",
    # How often a process looks; nobody needs another rhythm in a container.
    "feed_seconds",
    "heartbeat_seconds",
    "janitor_seconds",
    "republish_seconds",
    "stats_seconds",
    "sweep_seconds",
    "webhook_poll_seconds",
}
"""Settings that no container gets."""
PUBLISHED = ("api", "flower", "prometheus", "grafana")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
    return services


def test_every_required_variable_is_in_the_example():
    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE))
    example = re.findall(r"^(?:# )?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert required <= set(example)


def test_every_setting_reaches_a_container_or_is_left_out_on_purpose(services: dict[str, Any]):
    passed = {name for service in OURS for name in services[service]["environment"]}
    fields = {f"PACKSHOT_{name.upper()}": name for name in Settings.model_fields}
    assert {name for name in passed if name.startswith("PACKSHOT_")} <= set(fields)
    assert {fields[name] for name in set(fields) - passed} == NOT_PASSED


def test_a_value_in_the_example_s_place_reaches_the_container():
    needed = dict.fromkeys(compose_file.NEEDED, "x")
    chosen = {
        "PACKSHOT_LOG_LEVEL": "DEBUG",
        "PACKSHOT_BROKER_URL": "rediss://:secret@broker:6379/0",
        "PACKSHOT_DATABASE_URL": "postgresql+psycopg://shop@db/shop",
    }
    usual = compose_file.read(needed)["services"]["worker"]["environment"]
    worker = compose_file.read(needed | chosen)["services"]["worker"]["environment"]
    assert {name: worker[name] for name in chosen} == chosen
    assert usual["PACKSHOT_BROKER_URL"] == "redis://:x@valkey:6379/0"
    assert "PACKSHOT_LOG_LEVEL" not in usual


def test_every_dependency_is_a_service_that_can_meet_its_condition(services: dict[str, Any]):
    for name, service in services.items():
        for other, wanted in service.get("depends_on", {}).items():
            if wanted["condition"] == "service_healthy":
                assert "healthcheck" in services[other], (name, other)
            else:
                assert services[other]["restart"] == "no", (name, other)


@pytest.mark.parametrize("name", OURS)
def test_our_services_run_modules_that_exist(services: dict[str, Any], name: str):
    command = " ".join(services[name]["command"])
    modules = re.findall(r"python -m (\S+)", command)
    assert modules or "python -c" in command
    for module in modules:
        assert find_spec(module) is not None, module
    assert services[name]["build"]["target"] in re.findall(r" AS (\w+)$", DOCKERFILE, re.MULTILINE)


def test_only_loopback_is_published(services: dict[str, Any]):
    published = {name: one["ports"] for name, one in services.items() if "ports" in one}
    assert sorted(published) == sorted(PUBLISHED)
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_file_is_what_the_compose_specification_says():
    schema = json.loads((ROOT / "tests" / "schemas" / "compose-spec.json").read_text())
    example = (ROOT / ".env.example").read_text()
    variables = dict.fromkeys(re.findall(r"^(?:# )?(\w+)=", example, re.MULTILINE), "x")
    for text in (yaml.safe_load(COMPOSE), compose_file.read(variables | {"WORKERS": "2"})):
        jsonschema.validate(text, schema, jsonschema.Draft7Validator)
    guide = (ROOT / "docs" / "operations.md").read_text()
    overrides = re.findall(r"^```yaml\n(.+?)^```$", guide, re.MULTILINE | re.DOTALL)
    assert overrides
    for text in overrides:
        jsonschema.validate(yaml.safe_load(text), schema, jsonschema.Draft7Validator)
    wrong = {"services": {"api": {"restarts": "no"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema, jsonschema.Draft7Validator)


def test_every_service_is_limited_restarted_and_unprivileged(services: dict[str, Any]):
    for name, service in services.items():
        assert service["restart"] in ("no", "unless-stopped"), name
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}, name
        assert service["restart"] == "no" or "healthcheck" in service, name
    for name in OURS:
        assert services[name]["user"] == "10001:10001"
        assert services[name]["cap_drop"] == ["ALL"]
        assert services[name]["read_only"] is True
        folders = [*services[name]["tmpfs"], *services[name]["volumes"]]
        assert folders.count("/tmp") == 1, name
    assert "useradd --uid 10001" in DOCKERFILE
    assert DOCKERFILE.count("\nUSER packshot\n") == 2


def test_a_worker_may_finish_a_batch():
    worker = compose_file.read(dict.fromkeys(compose_file.NEEDED, "x"))["services"]["worker"]
    # Of 8 images at 512x512, 20 steps, guidance, 1.4 s for a row, and two workers on the cores.
    assert int(worker["stop_grace_period"].removesuffix("m")) * 60 > 8 * 20 * 2 * 1.4 * 2
    assert int(worker["deploy"]["replicas"]) == 2


def test_requests_may_end_within_the_grace_that_is_set():
    # Go adds durations that stand in a row (time.ParseDuration), and Compose reads them so.
    for given, seconds in (({}, 15), ({"PACKSHOT_GRACE_SECONDS": "60"}, 67)):
        read = compose_file.read(dict.fromkeys(compose_file.NEEDED, "x") | given)
        for name in ("api", "sheets"):
            period = read["services"][name]["stop_grace_period"]
            assert re.fullmatch(r"(\d+s)+", period)
            assert sum(map(int, re.findall(r"\d+", period))) == seconds


def test_whoever_asks_callers_addresses_is_told_where_they_may_lead():
    told = {"PACKSHOT_OUTBOUND_ALLOW": "erp.internal", "PACKSHOT_OUTBOUND_PORTS": "443"}
    read = compose_file.read(dict.fromkeys(compose_file.NEEDED, "x") | told)
    for name in ("api", "sheets", "worker", "webhooks"):
        assert told.items() <= read["services"][name]["environment"].items(), name


def test_no_secret_is_in_the_file():
    for name in ("PASSWORD", "TOKEN", "SECRET", "ACCESS_KEY", "BASIC_AUTH"):
        for line in re.findall(rf"^ +\w*{name}\w*: (.+)$", COMPOSE, re.MULTILINE):
            assert re.fullmatch(r"\$\{\w+:\?[^}]+\}", line), line


def test_flower_knows_the_broker_and_its_own_login_only():
    flower = compose_file.read(dict.fromkeys(compose_file.NEEDED, "x"))["services"]["flower"]
    secret = [
        name for name, value in flower["environment"].items() if "x" in re.split(r"\W", value)
    ]
    assert secret == ["PACKSHOT_BROKER_URL", "FLOWER_BASIC_AUTH"]
    assert flower["volumes"] == []


def test_the_build_gets_what_it_copies_and_nothing_else():
    ignored = (ROOT / ".dockerignore").read_text()
    copied = re.findall(r"^COPY ([^-].*) \S+$", DOCKERFILE, re.MULTILINE)
    allowed = re.findall(r"^!(\S+)$", ignored, re.MULTILINE)
    copied = [one for name in copied for one in name.split()]
    assert sorted(copied) == sorted(allowed)
    assert "\n*\n" in ignored


def test_each_lock_is_a_part_of_the_next():
    def packages(name: str) -> set[str]:
        # Each with its marker and its hashes, but without who wants it.
        blocks = re.split(r"^(?=\w)", (ROOT / name).read_text(), flags=re.MULTILINE)
        return {re.sub(r"^ *#.*\n", "", block, flags=re.MULTILINE) for block in blocks if block}

    def named(found: set[str]) -> set[str]:
        return {block.partition("==")[0] for block in found}

    names = ("requirements-api.lock", "requirements-worker.lock", "requirements.lock")
    api, worker, everything = map(packages, names)
    assert 50 < len(api) < len(worker) < len(everything)
    assert api <= worker <= everything
    heavy = {"torch", "openvino", "nncf", "diffusers", "transformers", "scipy", "huggingface-hub"}
    assert not named(api) & heavy
    assert heavy - {"torch"} <= named(worker)
    tests = {"pytest", "mypy", "ruff", "playwright", "kubernetes-validate", "ministack"}
    assert tests <= named(everything)
    assert not named(worker) & tests


def test_the_api_image_has_what_renditions_are_made_with():
    made = "from catalogue.renditions.rendering import render"
    environment = {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests' / 'integration' / 'only_locked'}",
        "ONLY_LOCKED": str(ROOT / "requirements-api.lock"),
    }
    subprocess.run([sys.executable, "-c", made], cwd=ROOT, env=environment, check=True)
    for absent in ("torch", "openvino"):
        refused = [sys.executable, "-c", f"import {absent}"]
        done = subprocess.run(refused, env=environment, capture_output=True, text=True, check=False)
        assert f"No module named '{absent}' in the lock" in done.stderr


def test_the_broker_keeps_what_it_is_told(services: dict[str, Any]):
    command = " ".join(services["valkey"]["command"])
    assert "--maxmemory-policy noeviction" in command
    assert "--appendonly yes" in command


def test_the_images_have_all_packages_and_the_same_torch():
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = configuration["tool"]["importlinter"]["root_packages"]
    for package in (*packages, "migrations"):
        assert f"COPY {package} /app/{package}\n" in DOCKERFILE
    torch = re.search(r"^torch=(\S+)$", (ROOT / "run.sh").read_text(), re.MULTILINE)
    assert torch is not None
    assert f"torch=={torch[1]}+cpu" in DOCKERFILE


@pytest.mark.skipif(
    shutil.which("promtool") is None,
    reason="promtool is not installed (Debian: apt-get install prometheus)",
)
def test_every_alert_fires_when_it_should_and_only_then():
    subprocess.run(["promtool", "test", "rules", ALERTS], check=True)


def test_every_alert_has_a_case():
    groups = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert set(re.findall(r'alertname="(\w+)"', ALERTS.read_text())) == alerts


def test_every_folder_that_is_mounted_is_there(services: dict[str, Any]):
    mounted = re.findall(r"^ +- (\./\S+?):", COMPOSE, re.MULTILINE)
    assert len(mounted) == 3
    assert all((ROOT / folder).is_dir() for folder in mounted)
    (dashboard,) = (ROOT / "deploy" / "grafana" / "dashboards").iterdir()
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert home == f"/etc/packshot/{dashboard.name}"

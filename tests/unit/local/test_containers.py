"""What can be said about compose.yaml and the Dockerfile without Docker."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
COMPOSE = (ROOT / "compose.yaml").read_text()
DOCKERFILE = (ROOT / "Dockerfile").read_text()
OURS = ("migrate", "bucket", "bundle", "api", "worker", "housekeeping", "flower")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(COMPOSE)["services"]
    return services


def test_every_required_variable_is_in_the_example():
    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE))
    example = re.findall(r"^(?:# )?(\w+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert required <= set(example)


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
    published = [port for service in services.values() for port in service.get("ports", [])]
    assert len(published) == 2
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_broker_never_evicts(services: dict[str, Any]):
    assert "--maxmemory-policy noeviction" in " ".join(services["valkey"]["command"])


def test_the_images_have_all_packages_and_the_same_torch():
    configuration = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = configuration["tool"]["importlinter"]["root_packages"]
    for package in (*packages, "migrations"):
        assert f"COPY {package} /{package}\n" in DOCKERFILE
    torch = re.search(r"^torch=(\S+)$", (ROOT / "run.sh").read_text(), re.MULTILINE)
    assert torch is not None
    assert f"torch=={torch[1]}+cpu" in DOCKERFILE

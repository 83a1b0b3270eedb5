"""What can be said about deploy/kubernetes without a cluster."""

import re
import shutil
import subprocess
from functools import cache
from importlib.util import find_spec
from typing import Any

import kubernetes_validate
import pytest
import yaml

from core.settings import Settings, fields_in, unknown_settings
from tests.integration import compose_file
from tests.support.kustomization import containers_of, pod_of
from tests.support.overlays import (
    EXAMPLE,
    FOLDER,
    OURS,
    OVERLAYS,
    built,
    container,
    everywhere,
    find,
    pods,
    scripts_in,
    settings_of,
)

VERSIONS = ("1.30", "1.37")
"""Of Kubernetes: the oldest that docs/kubernetes.md names, and the newest schema at hand."""


def missing_secrets(manifests: list[dict[str, Any]], given: frozenset[str]) -> set[str]:
    """Keys of the Secret that something asks for and that are not there."""
    asked = set(re.findall(r"'key': '(\w+)', 'name': 'packshot'", repr(_sorted(manifests))))
    return asked - given


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(one) for one in value] if isinstance(value, list) else value


@pytest.mark.parametrize("version", VERSIONS)
def test_every_manifest_is_what_kubernetes_takes(version, monkeypatch):
    # It reads all definitions anew for each manifest.
    reader = kubernetes_validate.utils
    monkeypatch.setattr(reader, "schema_contents", cache(reader.schema_contents))
    distinct = {repr(one): one for _, one in everywhere() if "keda" not in one["apiVersion"]}
    assert len(distinct) > 40
    for one in distinct.values():
        kubernetes_validate.validate(one, version, strict=True)
    wrong = find("one-node", "Deployment", "api") | {"specs": {}}
    with pytest.raises(kubernetes_validate.ValidationError, match="specs"):
        kubernetes_validate.validate(wrong, version, strict=True)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_kubectl_builds_the_same(overlay):
    folder = FOLDER / "overlays" / overlay
    made = subprocess.run(
        ["kubectl", "kustomize", folder], check=True, capture_output=True, text=True
    )
    text = re.sub(r"(name: packshot-\w+)-[a-z0-9]{10}$", r"\1", made.stdout, flags=re.MULTILINE)
    theirs = list(yaml.safe_load_all(text))
    assert len(theirs) == len(built(overlay))
    for one in theirs:
        assert one == find(overlay, one["kind"], one["metadata"]["name"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_variable_is_a_setting_and_can_be_read(overlay):
    settings = settings_of(overlay)
    assert unknown_settings(settings) == {}
    Settings(_env_file=None, **fields_in(settings))
    for one in built(overlay):
        for each in containers_of(one):
            named = {variable["name"]: "" for variable in each.get("env", ())}
            assert unknown_settings(named) == {}, one["metadata"]["name"]


def test_commands_and_variables_are_those_of_compose():
    compose = compose_file.read(dict.fromkeys(compose_file.NEEDED, "x"))["services"]
    for name in OURS:
        here = container("one-node", "Deployment", name)
        assert here["command"] == compose[name]["command"], name
        told = {variable["name"] for variable in here["env"]} | set(settings_of("one-node"))
        # The deliverer talks to nothing but Postgres; the models of compose.yaml are one setting.
        spared = {
            variable
            for variable in compose[name]["environment"]
            if name == "webhooks" and re.search("BROKER|S3", variable)
        }
        assert set(compose[name]["environment"]) - spared <= told, name
    assert container("one-node", "Job", "migrate")["command"] == compose["migrate"]["command"]
    for name in ("postgres", "valkey", "s3"):
        stand_in = container("one-node", "StatefulSet", name)
        assert stand_in["image"] == compose[name]["image"]


def test_every_command_is_there():
    for name, pod in pods():
        if name.split("/")[1] in ("postgres", "valkey", "s3"):
            continue
        for each in [*pod.get("initContainers", ()), *pod["containers"]]:
            program, *words = each["command"]
            if words[0] == "-m":
                assert find_spec(words[1]) is not None, (name, words)
            else:
                assert program == ("sh" if words[0].endswith(".sh") else "python")
                assert words[0] in scripts_in(pod, each, name.split("/")[0]), (name, words)


def test_everything_that_is_named_is_there():
    for overlay in OVERLAYS:
        names = {(one["kind"], one["metadata"]["name"]) for one in built(overlay)}
        for one in built(overlay):
            pod = pod_of(one) or {"volumes": []}
            asked = {("ServiceAccount", pod[key]) for key in pod if key == "serviceAccountName"}
            for volume in pod["volumes"]:
                if "configMap" in volume:
                    asked.add(("ConfigMap", volume["configMap"]["name"]))
                if "persistentVolumeClaim" in volume:
                    claim = volume["persistentVolumeClaim"]["claimName"]
                    asked.add(("PersistentVolumeClaim", claim))
            assert asked <= names, (overlay, one["metadata"]["name"])


def test_selectors_find_their_pods_and_no_others_of_a_kind():
    for overlay in OVERLAYS:
        labels = {
            one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
            for one in built(overlay)
            if pod_of(one)
        }
        for one in built(overlay):
            name, spec = one["metadata"]["name"], one.get("spec", {})
            if one["kind"] in ("Deployment", "StatefulSet", "PodDisruptionBudget"):
                wanted = spec["selector"]["matchLabels"].items()
                found = [other for other, has in labels.items() if wanted <= has.items()]
                assert found == [name], (overlay, one["kind"], name)
            elif one["kind"] == "Service":
                assert any(spec["selector"].items() <= has.items() for has in labels.values())
            elif one["kind"] == "NetworkPolicy":
                chosen = spec["podSelector"].get("matchExpressions", [])
                named = {value for part in chosen for value in part["values"]}
                known = {has["app.kubernetes.io/name"] for has in labels.values()} | {"flower"}
                assert named <= known, name


def test_nothing_reaches_the_metadata_service_or_private_networks():
    for overlay, one in everywhere():
        if one["kind"] != "NetworkPolicy":
            continue
        for rule in one["spec"].get("egress", ()):
            blocks = [to["ipBlock"] for to in rule.get("to", ()) if "ipBlock" in to]
            ports = {port["port"] for port in rule["ports"]}
            if "to" not in rule:
                assert ports == {5432, 6379}, (overlay, one["metadata"]["name"])
            for block in blocks:
                private = "169.254.0.0/16" if block["cidr"] == "0.0.0.0/0" else "fe80::/10"
                assert private in block["except"]
    denied = find("spot-nodes", "NetworkPolicy", "deny-all")["spec"]
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_missing_secret_is_named():
    for overlay in OVERLAYS:
        assert missing_secrets(built(overlay), EXAMPLE) == set(), overlay
    everything = [one for _, one in everywhere()]
    assert missing_secrets(everything, frozenset()) == set(EXAMPLE)
    assert missing_secrets(everything, EXAMPLE - {"PACKSHOT_METRICS_TOKEN"}) == {
        "PACKSHOT_METRICS_TOKEN"
    }
    # A key that may be absent would leave a process to find out by itself.
    assert "optional" not in repr(everything)
    assert not [one for one in everything if one["kind"] == "Secret"]

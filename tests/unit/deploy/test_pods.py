"""The pods of deploy/kubernetes: what they may, how they are asked, and how they end."""

import re

from api.uploads import ALBUMS_AT_ONCE
from core.settings import Settings, fields_in
from tests.support.kustomization import pod_of
from tests.support.overlays import (
    OURS,
    OVERLAYS,
    ROOT,
    container,
    find,
    pods,
    scripts_in,
    settings_of,
)
from worker.shutdown import COLD_SECONDS

PROBES = ("startupProbe", "livenessProbe", "readinessProbe")


def test_every_probe_asks_what_is_there():
    for name, pod in pods():
        overlay, short = name.split("/")
        for each in pod["containers"]:
            ports = {port["name"] for port in each.get("ports", ())}
            for kind in PROBES:
                probe = each.get(kind, {})
                if "httpGet" in probe:
                    assert probe["httpGet"]["port"] in ports
                    assert probe["httpGet"]["path"] in ("/healthz", "/readyz")
                elif short in OURS and "exec" in probe:
                    script = probe["exec"]["command"][1]
                    assert script in scripts_in(pod, each, overlay), (name, kind)
    for name in OURS:
        probes = set(PROBES) & set(container("one-node", "Deployment", name))
        assert {"startupProbe", "livenessProbe"} <= probes, name
    api = container("one-node", "Deployment", "api")
    assert api["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert api["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_every_pod_is_restricted_and_bounded():
    for name, pod in pods():
        # Kubernetes would set FLOWER_PORT and the like for each Service.
        assert pod["enableServiceLinks"] is False, name
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for each in [*pod.get("initContainers", ()), *pod["containers"]]:
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert set(each["resources"]["requests"]) == {"cpu", "memory"}, name
            assert "memory" in each["resources"]["limits"], name
            mounted = [mount["mountPath"] for mount in each["volumeMounts"]]
            assert "/tmp" in mounted, name
    user = pod_of(find("one-node", "Deployment", "api"))["securityContext"]["runAsUser"]
    assert f"useradd --uid {user}" in (ROOT / "Dockerfile").read_text()


def test_grace_periods_follow_the_settings():
    for overlay in OVERLAYS:
        settings = Settings(_env_file=None, **fields_in(settings_of(overlay)))
        ends = settings.drain_seconds + settings.grace_seconds + 2
        for name in ("api", "sheets"):
            pod = pod_of(find(overlay, "Deployment", name))
            assert pod["terminationGracePeriodSeconds"] == ends
            probe = pod["containers"][0]["readinessProbe"]
            notices = probe["periodSeconds"] * probe["failureThreshold"]
            assert settings.drain_seconds >= notices + 1
        webhooks = pod_of(find(overlay, "Deployment", "webhooks"))
        assert webhooks["terminationGracePeriodSeconds"] > settings.webhook_timeout
        worker = find(overlay, "Deployment", "worker")
        pod = pod_of(worker)
        # As compose.yaml's: test_a_worker_may_finish_a_batch says of what.
        assert pod["terminationGracePeriodSeconds"] == 30 * 60
        probe = pod["containers"][0]["startupProbe"]
        starts = probe["periodSeconds"] * probe["failureThreshold"]
        assert starts >= settings.model_load_seconds
        assert worker["spec"]["progressDeadlineSeconds"] > starts + 30 * 60


def test_a_spot_worker_gives_its_images_back_within_the_notice():
    pod = pod_of(find("spot-nodes", "Deployment", "worker-bulk"))
    (hook,) = (each["lifecycle"]["preStop"]["exec"]["command"] for each in pod["containers"])
    (seconds,) = re.findall(r"kill -TERM 1; sleep (\d+)$", hook[-1])
    assert int(seconds) + COLD_SECONDS < pod["terminationGracePeriodSeconds"] <= 30
    # And nobody else's pods go there.
    others = [name for name, pod in pods() if "tolerations" in pod]
    assert others == ["spot-nodes/worker-bulk"]


def test_uploads_have_room():
    settings = Settings(_env_file=None, **fields_in(settings_of("many-cpu-nodes")))
    sheets = settings.sheet_queue * settings.max_upload_bytes
    received = settings.source_uploads * settings.max_source_bytes
    received += ALBUMS_AT_ONCE * (settings.max_album_bytes + settings.max_upload_bytes)
    sources = received * settings.api_processes
    for name, needed in (("sheets", sheets), ("api", sources)):
        pod = pod_of(find("many-cpu-nodes", "Deployment", name))
        (size,) = (one["emptyDir"]["sizeLimit"] for one in pod["volumes"] if one["name"] == "tmp")
        assert int(size.removesuffix("Gi")) * 2**30 > needed, name
    memory = container("many-cpu-nodes", "Deployment", "sheets")["resources"]["limits"]["memory"]
    large = settings.sheet_processes * settings.sheet_memory_bytes
    assert int(memory.removesuffix("Gi")) * 2**30 > large


def test_no_stranger_s_image_is_pulled_for_one_of_ours():
    for name, pod in pods():
        overlay, short = name.split("/")
        for each in [*pod.get("initContainers", ()), *pod["containers"]]:
            if short in ("postgres", "valkey", "s3"):
                continue
            pattern = r"packshot-(api|worker):local"
            if overlay != "one-node":
                pattern = r"registry\.invalid/packshot-(api|worker)"
            assert re.fullmatch(pattern, each["image"]), name

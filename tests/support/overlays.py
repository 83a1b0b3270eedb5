"""The overlays of deploy/kubernetes, built once."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from tests.support.kustomization import build, pod_of

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("one-node", "many-cpu-nodes", "spot-nodes")
OURS = ("api", "sheets", "worker", "housekeeping", "webhooks", "flower")
EXAMPLE = frozenset(
    re.findall(r"^(\w+)=$", (FOLDER / "secrets.env.example").read_text(), re.MULTILINE)
)


@cache
def built(overlay: str) -> list[dict[str, Any]]:
    return build(FOLDER / "overlays" / overlay)


def find(overlay: str, kind: str, name: str) -> dict[str, Any]:
    (one,) = (
        one for one in built(overlay) if (one["kind"], one["metadata"]["name"]) == (kind, name)
    )
    return one


def everywhere() -> list[tuple[str, dict[str, Any]]]:
    return [(overlay, one) for overlay in OVERLAYS for one in built(overlay)]


def pods() -> list[tuple[str, dict[str, Any]]]:
    """All pods of all overlays, with a name for messages."""
    return [
        (f"{overlay}/{one['metadata']['name']}", pod)
        for overlay, one in everywhere()
        if (pod := pod_of(one))
    ]


def container(overlay: str, kind: str, name: str) -> dict[str, Any]:
    return pod_of(find(overlay, kind, name))["containers"][0]


def settings_of(overlay: str) -> dict[str, str]:
    data: dict[str, str] = find(overlay, "ConfigMap", "packshot-settings")["data"]
    return data


def scripts_in(pod: dict[str, Any], each: dict[str, Any], overlay: str) -> set[str]:
    """The paths of scripts that are mounted into a container."""
    maps = {
        volume["name"]: volume["configMap"]["name"]
        for volume in pod["volumes"]
        if "configMap" in volume
    }
    return {
        f"{mount['mountPath']}/{file}"
        for mount in each["volumeMounts"]
        if mount["name"] in maps
        for file in find(overlay, "ConfigMap", maps[mount["name"]])["data"]
    }

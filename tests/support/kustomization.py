"""Kustomizations as `kubectl kustomize` builds them, as far as deploy/kubernetes uses them.

A field that is not known here is an error, so that nothing is left out silently. Names of generated
ConfigMaps get no hash.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
Built = dict[tuple[str, str], Manifest]

KNOWN = frozenset(
    {"apiVersion", "kind", "namespace", "resources", "components", "configMapGenerator"}
    | {"patches", "images"}
)
CLUSTER_WIDE = ("Namespace",)


def build(folder: Path) -> list[Manifest]:
    """Return what `kubectl kustomize FOLDER` prints, in no particular order.

    Raises:
        ValueError: It uses what this does not know, or patches what is not there.
    """
    return list(_apply(folder, {}).values())


def _apply(folder: Path, built: Built) -> Built:
    """Add a folder's resources to those that are there, and change all of them as it says."""
    text = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := set(text) - KNOWN:
        raise ValueError(f"{folder}: {', '.join(sorted(unknown))}")
    for name in text.get("resources", ()):
        found = folder / name
        if found.is_dir():
            built |= _apply(found.resolve(), {})
        else:
            built |= {_key(one): one for one in _documents(found)}
    for one in text.get("configMapGenerator", ()):
        _generate(folder, one, built)
    for name in text.get("components", ()):
        built = _apply((folder / name).resolve(), built)
    for patch in text.get("patches", ()):
        _patch(folder / patch["path"], built)
    for one in built.values():
        if "namespace" in text and one["kind"] not in CLUSTER_WIDE:
            one["metadata"]["namespace"] = text["namespace"]
        for container in containers_of(one):
            container["image"] = _image(container["image"], text.get("images", ()))
    return built


def _patch(path: Path, built: Built) -> None:
    for change in _documents(path):
        if _key(change) not in built:
            raise ValueError(f"{path} patches what is not there")
        built[_key(change)] = merge(built[_key(change)], change)


def _key(manifest: Mapping[str, Any]) -> tuple[str, str]:
    return manifest["kind"], manifest["metadata"]["name"]


def _documents(path: Path) -> Iterator[Manifest]:
    # A text round trip, as anchors make parts of a document one object.
    yield from (deepcopy(one) for one in yaml.safe_load_all(path.read_text()))


def _generate(folder: Path, asked: Mapping[str, Any], built: Built) -> None:
    data = {}
    for name in asked.get("envs", ()):
        lines = (folder / name).read_text().splitlines()
        data |= dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    for name in asked.get("files", ()):
        data[Path(name).name] = (folder / name).read_text()
    key = ("ConfigMap", asked["name"])
    if (asked.get("behavior") == "merge") is not (key in built):
        raise ValueError(f"{folder}: the ConfigMap {asked['name']} is there twice, or not at all")
    old = built[key]["data"] if key in built else {}
    metadata = {"name": asked["name"]}
    built[key] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": old | data}


def _image(image: str, changes: list[Mapping[str, str]]) -> str:
    for change in changes:
        if image == change["name"]:
            return f"{change['newName']}:{change['newTag']}"
    return image


def merge(old: Any, new: Any) -> Any:
    """Merge strategically: null removes, lists of things with names are merged by them."""
    if isinstance(old, dict) and isinstance(new, dict):
        merged = {name: value for name, value in old.items() if name not in new}
        changed = {
            name: merge(old.get(name), value) for name, value in new.items() if value is not None
        }
        return merged | changed
    if isinstance(old, list) and isinstance(new, list) and all(_named(one) for one in old + new):
        names = {one["name"]: one for one in old}
        return list(
            (names | {one["name"]: merge(names.get(one["name"]), one) for one in new}).values()
        )
    return deepcopy(new)


def _named(one: Any) -> bool:
    return isinstance(one, dict) and "name" in one


def pod_of(manifest: Mapping[str, Any]) -> Manifest | None:
    """Return the spec of the pods that a manifest makes, if it makes some."""
    spec = manifest.get("spec", {})
    template = spec.get("template") if isinstance(spec, dict) else None
    return template["spec"] if template else None


def containers_of(manifest: Mapping[str, Any]) -> list[Manifest]:
    """Return the containers of the pods that a manifest makes, those that come first among them."""
    pod = pod_of(manifest) or {}
    return [*pod.get("initContainers", ()), *pod.get("containers", ())]

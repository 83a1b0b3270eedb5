"""KEDA's objects, whose schemas kubernetes-validate does not have."""

import re

import jsonschema
import pytest

from core.domain.lanes import Lane
from tests.support.overlays import ROOT, built, find

PODS = {
    "type": "object",
    "required": ["type", "value", "periodSeconds"],
    "properties": {
        "type": {"enum": ["Pods", "Percent"]},
        "value": {"type": "integer", "minimum": 1},
        "periodSeconds": {"type": "integer", "minimum": 1, "maximum": 1800},
    },
    "additionalProperties": False,
}
BEHAVIOR = {
    "type": "object",
    "properties": {
        "policies": {"type": "array", "items": PODS},
        "stabilizationWindowSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
    },
    "additionalProperties": False,
}
NUMBER = {"type": "string", "pattern": r"^\d+(\.\d+)?$"}
PROMETHEUS = {
    "type": "object",
    "required": ["serverAddress", "query", "threshold"],
    "properties": {
        "serverAddress": {"type": "string", "pattern": "^https?://"},
        "query": {"type": "string"},
        "threshold": NUMBER,
        "activationThreshold": NUMBER,
        "ignoreNullValues": {"enum": ["true", "false"]},
    },
    "additionalProperties": False,
}
POSTGRESQL = {
    "type": "object",
    "required": ["query", "targetQueryValue"],
    "properties": {
        "query": {"type": "string"},
        "targetQueryValue": NUMBER,
        "activationTargetQueryValue": NUMBER,
    },
    "additionalProperties": False,
}
TRIGGER = {
    "type": "object",
    "required": ["type", "metadata"],
    "properties": {
        "type": {"enum": ["prometheus", "postgresql"]},
        "name": {"type": "string"},
        "metricType": {"enum": ["AverageValue", "Value"]},
        "authenticationRef": {"type": "object", "required": ["name"]},
        "metadata": {"type": "object"},
    },
    "additionalProperties": False,
    "oneOf": [
        {"properties": {"type": {"const": "prometheus"}, "metadata": PROMETHEUS}},
        {
            "properties": {"type": {"const": "postgresql"}, "metadata": POSTGRESQL},
            "required": ["authenticationRef"],
        },
    ],
}
SPEC = {
    "type": "object",
    "required": ["scaleTargetRef", "triggers"],
    "properties": {
        "scaleTargetRef": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string"}},
            "additionalProperties": False,
        },
        "pollingInterval": {"type": "integer", "minimum": 1},
        "cooldownPeriod": {"type": "integer", "minimum": 0},
        "minReplicaCount": {"type": "integer", "minimum": 0},
        "maxReplicaCount": {"type": "integer", "minimum": 1},
        "advanced": {
            "type": "object",
            "properties": {
                "horizontalPodAutoscalerConfig": {
                    "type": "object",
                    "properties": {
                        "behavior": {
                            "type": "object",
                            "properties": {"scaleUp": BEHAVIOR, "scaleDown": BEHAVIOR},
                            "additionalProperties": False,
                        }
                    },
                    "additionalProperties": False,
                }
            },
            "additionalProperties": False,
        },
        "triggers": {"type": "array", "minItems": 1, "items": TRIGGER},
    },
    "additionalProperties": False,
}
"""What is used of keda.sh/docs/2.15/reference/scaledobject-spec, and of its scalers `prometheus`
and `postgresql`; the latter's connection comes from a TriggerAuthentication."""
SCALED = {"many-cpu-nodes": "prometheus", "spot-nodes": "postgresql"}


@pytest.mark.parametrize("overlay", SCALED)
def test_scaled_objects_are_what_keda_reads(overlay):
    scaled = [one for one in built(overlay) if one["kind"] == "ScaledObject"]
    assert {one["metadata"]["name"] for one in scaled} == {"worker", "worker-bulk"}
    for one in scaled:
        assert one["apiVersion"] == "keda.sh/v1alpha1"
        jsonschema.validate(one["spec"], SPEC, jsonschema.Draft202012Validator)
        # A name is a metric's, so two of the same would be one.
        names = [trigger["name"] for trigger in one["spec"]["triggers"]]
        assert len(set(names)) == len(names)
        assert {trigger["type"] for trigger in one["spec"]["triggers"]} == {SCALED[overlay]}
        target = find(overlay, "Deployment", one["spec"]["scaleTargetRef"]["name"])
        assert "replicas" not in target["spec"]
        for trigger in one["spec"]["triggers"]:
            if "authenticationRef" in trigger:
                find(overlay, "TriggerAuthentication", trigger["authenticationRef"]["name"])
    wrong = scaled[0]["spec"] | {"minReplicas": 1}
    with pytest.raises(jsonschema.ValidationError, match="minReplicas"):
        jsonschema.validate(wrong, SPEC, jsonschema.Draft202012Validator)


@pytest.mark.parametrize("overlay", SCALED)
def test_bulk_workers_come_from_nothing_and_somebody_is_always_there(overlay):
    steady = find(overlay, "ScaledObject", "worker")["spec"]
    bulk = find(overlay, "ScaledObject", "worker-bulk")["spec"]
    assert (steady["minReplicaCount"], bulk["minReplicaCount"]) == (1, 0)
    lanes = {
        name: {trigger["name"].split("-")[0] for trigger in spec["triggers"]}
        for name, spec in (("steady", steady), ("bulk", bulk))
    }
    assert lanes == {"steady": {Lane.INTERACTIVE, Lane.STANDARD}, "bulk": {Lane.BULK}}
    for trigger in steady["triggers"] + bulk["triggers"]:
        # Rows are shared among the workers; an age is not.
        aged = trigger["name"].endswith("-age")
        assert trigger.get("metricType", "AverageValue") == ("Value" if aged else "AverageValue")


def test_prometheus_is_asked_for_metrics_that_exist():
    exported = (ROOT / "api" / "views" / "metrics.py").read_text()
    for name in ("worker", "worker-bulk"):
        for trigger in find("many-cpu-nodes", "ScaledObject", name)["spec"]["triggers"]:
            query, lane = trigger["metadata"]["query"], trigger["name"].split("-")[0]
            metrics = re.findall(r"max\((packshot_\w+)\{lane=\"(\w+)\"\}\)", query)
            assert metrics
            for metric, asked in metrics:
                assert f'"{metric}"' in exported
                assert asked == lane

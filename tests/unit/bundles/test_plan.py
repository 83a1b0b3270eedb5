"""The plan that a worker follows."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bundles.manifest import Manifest
from bundles.plan import (
    Machine,
    Plan,
    TunedPlan,
    find_plan,
    newest_plan,
    plan_for,
    save_plan,
    this_machine,
)
from core.settings import Settings

REVISION = "a" * 64
BUNDLE = Manifest(name="mug", revision=REVISION, source="mug")
PLAN = Plan(streams=2, rows=4, threads=2, batches=(4, 8), size=(128, 128))


def tuned(**changes) -> TunedPlan:
    values = {
        "plan": PLAN,
        "machine": this_machine(),
        "revision": REVISION,
        "width": 128,
        "height": 128,
        "steps_per_second": 50.0,
        "images_per_minute": 150.0,
        "image_seconds": 1.5,
        "tuned_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    return TunedPlan(**values | changes)


@pytest.fixture
def settings(tmp_path):
    return lambda **values: Settings(_env_file=None, home=tmp_path, **values)


def test_a_stored_plan_comes_back(tmp_path):
    path = save_plan(tmp_path, tuned())
    assert path.parent == tmp_path / "plans"
    assert find_plan(tmp_path, REVISION, this_machine()) == tuned()


def test_a_newer_plan_takes_the_place_of_an_older_one(tmp_path):
    save_plan(tmp_path, tuned())
    path = save_plan(tmp_path, tuned(plan=Plan()))
    assert list(path.parent.iterdir()) == [path]


def test_without_a_plan_the_settings_decide(settings):
    assert plan_for(settings(), BUNDLE) == Plan()
    assert plan_for(settings(row_limit=3), BUNDLE).rows == 3


def test_without_a_plan_the_bundle_proposes_streams_but_none_without_a_core(settings):
    cores = this_machine().threads
    eager = BUNDLE.model_copy(update={"streams": cores + 1})
    assert plan_for(settings(), eager).streams == cores
    assert plan_for(settings(inference_streams=1), eager).streams == 1


def test_the_stored_plan_is_followed(settings, tmp_path):
    save_plan(tmp_path, tuned())
    assert plan_for(settings(), BUNDLE) == PLAN


def test_what_is_set_explicitly_wins(settings, tmp_path):
    save_plan(tmp_path, tuned())
    plan = plan_for(settings(row_limit=2, inference_threads=1), BUNDLE)
    assert (plan.streams, plan.rows, plan.threads) == (2, 2, 1)
    assert plan.batches == (4,), "no call of two images has eight rows"


def test_another_machines_plan_is_ignored_and_said(settings, tmp_path):
    other = Machine(cpu="an abacus", cores=64, openvino="2026.4")
    path = save_plan(tmp_path, tuned(machine=other))
    with capture_logs() as logs:
        assert plan_for(settings(), BUNDLE) == Plan()
    (line,) = logs
    assert "another machine's" in line["event"]
    assert line["plan"] == str(path)


def test_another_bundles_plan_is_not_looked_at(settings, tmp_path):
    save_plan(tmp_path, tuned(revision="b" * 64))
    with capture_logs() as logs:
        assert plan_for(settings(), BUNDLE) == Plan()
    assert logs == []


@pytest.mark.parametrize("content", ["", "{}", '{"plan": {"streams": 0}}'])
def test_a_damaged_plan_is_ignored_and_said(settings, tmp_path, content: str):
    Path(save_plan(tmp_path, tuned())).write_text(content)
    with capture_logs() as logs:
        assert plan_for(settings(), BUNDLE) == Plan()
    assert "packshot tune" in logs[0]["event"]


HERE = Machine(
    cpu="Virtual CPU", cores=64, quota=2.5, instruction_sets=("avx2", "fma"), openvino="2026.4"
)


@pytest.mark.parametrize(
    "changes",
    [
        {"cores": 32},
        {"quota": None},
        {"quota": 2.0},
        {"instruction_sets": ("avx2", "avx512f", "fma")},
        {"openvino": "2026.5"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_plan_holds_for_what_decides_how_fast_it_is(tmp_path, changes):
    save_plan(tmp_path, tuned(machine=HERE))
    assert find_plan(tmp_path, REVISION, HERE) is not None
    assert find_plan(tmp_path, REVISION, HERE.model_copy(update=changes)) is None


def test_what_a_processor_is_called_decides_nothing(tmp_path):
    save_plan(tmp_path, tuned(machine=HERE))
    assert find_plan(tmp_path, REVISION, HERE.model_copy(update={"cpu": "KVM"})) is not None


def test_a_quota_counts_as_cores(settings):
    eager = BUNDLE.model_copy(update={"streams": 8})
    assert plan_for(settings(), eager, HERE).streams == 3
    assert plan_for(settings(), eager, HERE.model_copy(update={"quota": None})).streams == 8


def test_the_kernels_of_a_machine_do_not_depend_on_its_cores():
    assert HERE.kernels == HERE.model_copy(update={"cores": 2, "quota": None}).kernels
    assert HERE.kernels != HERE.model_copy(update={"openvino": "2026.5"}).kernels


def test_plans_of_earlier_versions_are_read_still(tmp_path):
    path = save_plan(tmp_path, tuned())
    plan = json.loads(path.read_text())
    plan["machine"] = {"cpu": "An old CPU", "cores": 2, "openvino": "2026.4"}
    path.write_text(json.dumps(plan))
    assert newest_plan(tmp_path, REVISION).machine.cpu == "An old CPU"

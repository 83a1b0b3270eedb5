"""How the engine uses this machine: measured by `packshot tune`, kept beside the compiled models.

Nothing here loads a model library: `packshot model list` reads plans too.
"""

import hashlib
import json
import os
import platform
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from pydantic import Field, ValidationError

from bundles.manifest import Manifest
from bundles.processor import read_instruction_sets
from bundles.records import Record
from core.cpus import cpu_quota, usable_cpus
from core.errors import first_line
from core.settings import Settings

log = structlog.get_logger(__name__)


class Plan(Record):
    """Streams, rows and threads of the engine."""

    streams: int = Field(1, ge=1, description="UNet calls that run at the same time.")
    rows: int = Field(8, ge=1, description="Most images that share one of them.")
    threads: int = Field(
        0, ge=0, description="Threads of all streams together; 0 lets OpenVINO choose."
    )
    batches: tuple[int, ...] = Field(
        (),
        description="UNet rows of a call for which the UNet is compiled with a fixed shape too.",
    )
    size: tuple[int, int] | None = Field(
        None, description="Width and height of the images that `batches` are for, in pixels."
    )


class Machine(Record):
    """What a plan holds for."""

    cpu: str = Field(
        description="The processor's name, for people: virtual machines of many kinds share one."
    )
    cores: int = Field(ge=1, description="CPUs that this process may run on.")
    quota: float | None = Field(
        None, description="CPUs' time that its container may use; None: no limit."
    )
    instruction_sets: tuple[str, ...] = Field(
        (), description="Those that the models' kernels are chosen by."
    )
    openvino: str = Field(description="OpenVINO's version.")

    @property
    def key(self) -> str:
        """A short name for files, of what decides how fast a plan is."""
        return _digest(self.model_dump(exclude={"cpu"}))

    @property
    def kernels(self) -> str:
        """A short name of what decides which kernels compute, whatever the cores."""
        return _digest(self.model_dump(include={"instruction_sets", "openvino"}))

    @property
    def threads(self) -> int:
        """Return how many threads are worth having."""
        return self.cores if self.quota is None else usable_cpus(self.cores, quota=self.quota)


class TunedPlan(Record):
    """A plan with what was measured of it."""

    plan: Plan
    machine: Machine
    revision: str = Field(description="The bundle's.")
    width: int = Field(description="Of the images that were measured, in pixels.")
    height: int
    steps_per_second: float = Field(description="Denoising steps of an image, all streams busy.")
    images_per_minute: float = Field(description="At the bundle's steps and guidance.")
    image_seconds: float = Field(description="From an image's first step to its pixels.")
    tuned_at: datetime


def this_machine() -> Machine:
    """Describe the machine, as far as this process may use it."""
    return Machine(
        cpu=_processor(),
        cores=len(os.sched_getaffinity(0)),
        quota=cpu_quota(),
        instruction_sets=read_instruction_sets(),
        openvino=version("openvino"),
    )


def _digest(fields: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()[:12]


def _processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    try:
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def save_plan(home: Path, tuned: TunedPlan) -> Path:
    """Store a plan under PACKSHOT_HOME/plans, in the place of an older one; return its file."""
    path = _file(home, tuned.revision, tuned.machine)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(".part")
    aside.write_text(tuned.model_dump_json(indent=2) + "\n", encoding="utf-8")
    aside.replace(path)
    return path


def find_plan(home: Path, revision: str, machine: Machine) -> TunedPlan | None:
    """Return the stored plan of a bundle on a machine, or None; the log says why it is ignored."""
    path = _file(home, revision, machine)
    if not path.is_file():
        others = sorted(path.parent.glob(f"{revision[:16]}-*.json"))
        if others:
            log.info(
                "the plan here is another machine's and is ignored; make one with `packshot tune`",
                plan=str(others[0]),
                machine=machine.model_dump(),
            )
        return None
    return _read(path)


def newest_plan(home: Path, revision: str) -> TunedPlan | None:
    """Return the plan of a bundle that was measured last, on whatever machine."""
    found = map(_read, (home / "plans").glob(f"{revision[:16]}-*.json"))
    plans = [plan for plan in found if plan is not None and plan.revision == revision]
    return max(plans, key=lambda plan: plan.tuned_at, default=None)


def plan_for(settings: Settings, bundle: Manifest, machine: Machine | None = None) -> Plan:
    """Return the plan that a worker follows.

    What settings say explicitly wins over the stored plan, and that over what the bundle proposes.

    Args:
        settings: The worker's.
        bundle: Its model.
        machine: Where it runs; None: here.
    """
    named = {"rows": "row_limit", "streams": "inference_streams", "threads": "inference_threads"}
    given = {field: getattr(settings, name) for field, name in named.items()}
    explicit = {
        field: value for field, value in given.items() if named[field] in settings.model_fields_set
    }
    machine = machine or this_machine()
    tuned = find_plan(settings.home.expanduser(), bundle.revision, machine)
    if tuned is None:
        streams = min(bundle.streams, machine.threads)
        return Plan.model_validate(given | {"streams": streams} | explicit)
    plan = Plan.model_validate(tuned.plan.model_dump() | explicit)
    # Shapes that no call has any more would be compiled for nothing.
    batches = tuple(batch for batch in plan.batches if batch <= 2 * plan.rows)
    return plan.model_copy(update={"batches": batches})


def _read(path: Path) -> TunedPlan | None:
    try:
        return TunedPlan.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        log.warning(
            "this plan cannot be read and is ignored; make it again with `packshot tune`",
            plan=str(path),
            reason=first_line(error),
        )
        return None


def _file(home: Path, revision: str, machine: Machine) -> Path:
    return home / "plans" / f"{revision[:16]}-{machine.key}.json"

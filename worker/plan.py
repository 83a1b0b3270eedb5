"""The plan that a worker follows."""

from bundles.manifest import Manifest
from bundles.plan import Machine, Plan, find_plan, this_machine
from core.settings import Settings


def plan_for(settings: Settings, bundle: Manifest, machine: Machine | None = None) -> Plan:
    """Give the plan that a worker follows.

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

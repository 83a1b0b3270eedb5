"""Which CPUs a worker uses: one NUMA node's, where there are several.

A core reads another node's memory at a fraction of the speed of its own, so an engine that spans
nodes is slower than one engine in each (https://docs.kernel.org/mm/numa.html).
"""

import os
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import structlog

from bundles.processor import shortcomings
from core.errors import InvalidSettingError
from core.settings import Settings

log = structlog.get_logger(__name__)

NODES = Path("/sys/devices/system/node")
"""https://docs.kernel.org/admin-guide/mm/numaperf.html; `cpulist` holds a node's CPUs."""

CPUS = Path("/sys/devices/system/cpu")
"""https://docs.kernel.org/admin-guide/cputopology.html: which CPUs are one core's threads."""


def parse_cpus(text: str) -> frozenset[int]:
    """Read a list of CPUs as the kernel writes it, like `0-3,8`; an empty one has none.

    Raises:
        ValueError: It is no such list.
    """
    cpus: set[int] = set()
    for part in text.strip().split(",") if text.strip() else ():
        first, _, last = part.partition("-")
        cpus |= set(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


def format_cpus(cpus: Collection[int]) -> str:
    """Write a list of CPUs as the kernel does: the reverse of `parse_cpus`."""
    ranges: list[list[int]] = []
    for cpu in sorted(cpus):
        if ranges and ranges[-1][1] == cpu - 1:
            ranges[-1][1] = cpu
        else:
            ranges.append([cpu, cpu])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def numa_nodes(allowed: Collection[int], root: Path = NODES) -> Sequence[frozenset[int]]:
    """Return the CPUs of each NUMA node that this process may use, in the nodes' order.

    Nodes without such CPUs (memory only, or closed to us) are left out. A system that tells
    nothing is one node.

    Args:
        allowed: CPUs that this process may use.
        root: The kernel's tree of nodes.
    """
    found: dict[int, frozenset[int]] = {}
    for path in root.glob("node[0-9]*/cpulist"):
        cpus = parse_cpus(path.read_text()) & frozenset(allowed)
        if cpus:
            found[int(path.parent.name.removeprefix("node"))] = cpus
    return [found[node] for node in sorted(found)] or [frozenset(allowed)]


def physical_cores(allowed: Collection[int], root: Path = CPUS) -> int:
    """Count the cores that some CPUs are hardware threads of.

    A CPU of which the system tells nothing is a core.

    Args:
        allowed: CPUs that this process may use.
        root: The kernel's tree of CPUs.
    """
    cores = set()
    for cpu in allowed:
        try:
            cores.add(parse_cpus((root / f"cpu{cpu}/topology/thread_siblings_list").read_text()))
        except OSError:
            cores.add(frozenset({cpu}))
    return len(cores)


def placement(
    settings: Settings, workers: int | None, nodes: Sequence[frozenset[int]]
) -> Sequence[Mapping[str, str]]:
    """Return the settings of each worker of one machine that say which CPUs are its own.

    Args:
        settings: What they say of CPUs or pinning stays.
        workers: How many; None: one on each node.
        nodes: As `numa_nodes` gives them.

    Returns:
        Environment variables, one mapping per worker: worker i gets the node i modulo their
        number. Fewer workers than nodes stay free to use all of them.
    """
    count = workers or len(nodes)
    places: list[dict[str, str]] = [{} for _ in range(count)]
    if "worker_cpus" not in settings.model_fields_set and 1 < len(nodes) <= count:
        for index, place in enumerate(places):
            place["PACKSHOT_WORKER_CPUS"] = format_cpus(nodes[index % len(nodes)])
    if "inference_pinning" not in settings.model_fields_set and count > len(nodes):
        # Each would pin its threads to the same cores as the others.
        for place in places:
            place["PACKSHOT_INFERENCE_PINNING"] = "false"
    return places


def machine_nodes() -> Sequence[frozenset[int]]:
    """Return this machine's nodes."""
    return numa_nodes(os.sched_getaffinity(0))


def settle(settings: Settings) -> None:
    """Keep this process to the CPUs of its settings; call it before the first model is loaded.

    OpenVINO counts and pins only what the process may use.

    Raises:
        InvalidSettingError: This machine has none of these CPUs.
    """
    if not settings.worker_cpus:
        return
    try:
        os.sched_setaffinity(0, parse_cpus(settings.worker_cpus))
    except (OSError, ValueError, OverflowError) as error:
        ours = format_cpus(os.sched_getaffinity(0))
        raise InvalidSettingError(
            f"PACKSHOT_WORKER_CPUS={settings.worker_cpus} cannot be used ({error}): "
            f"name some of the CPUs {ours}."
        ) from error


def warn_of_processor(features: AbstractSet[str], precisions: Collection[str]) -> None:
    """Log what this machine's processor costs a bundle: speed, never an image.

    Args:
        features: The processor's, as `read_features` returns them.
        precisions: Of the bundle's parts.
    """
    for sentence in shortcomings(features, precisions):
        log.warning("a slower processor", reason=sentence)

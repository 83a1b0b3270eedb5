"""How many CPUs this process may use: those it may run on, and what its containers' quotas leave.

A container of `--cpus 2` on a host of 64 may run on all of them, and is stopped for the rest of
each period when it has used two CPUs' time: threads for 64 make it slower, not faster.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUPS = Path("/sys/fs/cgroup")
"""Where control groups are mounted."""

OWN = Path("/proc/self/cgroup")
"""Which groups this process is in: cgroups(7)."""


def usable_cpus(allowed: int | None = None, *, quota: float | None = None) -> int:
    """Count the CPUs that it pays to have threads for.

    A part of a CPU counts as one: a thread more uses it, and is stopped when it is used up.

    Args:
        allowed: CPUs that this process may run on; None: asks the system.
        quota: CPUs' time that it may use; None: asks the system.
    """
    allowed = len(os.sched_getaffinity(0)) if allowed is None else allowed
    quota = cpu_quota() if quota is None else quota
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def quota_threads() -> int:
    """Return the threads that a quota leaves to this process; 0 where none leaves less than all.

    For libraries that count the CPUs that they may run on, and know nothing of quotas.
    """
    usable, allowed = usable_cpus(), len(os.sched_getaffinity(0))
    return usable if usable < allowed else 0


def cpu_quota(root: Path = CGROUPS, own: Path = OWN) -> float | None:
    """Return the CPUs' time that this process may use, in CPUs; None: as much as there is.

    That is the least quota of its control group and of all groups above it, as the kernel has it:
    docs.kernel.org, admin-guide/cgroup-v2 (`cpu.max`) and scheduler/sched-bwc (version 1).

    Args:
        root: Where control groups are mounted.
        own: The file that names this process's groups.
    """
    quotas = [quota for folder in _folders(root, own) if (quota := _quota(folder)) is not None]
    return min(quotas, default=None)


def _folders(root: Path, own: Path) -> Iterator[Path]:
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for mount, group in {("", "/"), *_groups(lines)}:
        inside = PurePosixPath(group.lstrip("/"))
        # A container often sees its own group as the root, under whatever name the host has for
        # it: what is not there is left out, and the root is looked at in any case.
        for path in (inside, *inside.parents):
            if ".." not in path.parts:
                yield root / mount / path


def _groups(lines: list[str]) -> Iterator[tuple[str, str]]:
    """Return each hierarchy that may limit the CPU: its mount below the root, and the group's path.

    A line is `0::/path` for version 2, and `4:cpu,cpuacct:/path` for version 1.
    """
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if not controllers:
            yield from (("", group), ("unified", group))
        elif "cpu" in controllers.split(","):
            yield from ((controllers, group), ("cpu", group))


def _quota(folder: Path) -> float | None:
    """Read a group's own quota, in CPUs; None where it has none."""
    return _version_2(folder / "cpu.max") or _version_1(folder)


def _version_2(file: Path) -> float | None:
    # "150000 100000": so many microseconds in each period of so many; "max": no limit.
    values = _numbers(file)
    return values[0] / values[1] if len(values) == 2 and min(values) > 0 else None


def _version_1(folder: Path) -> float | None:
    quota, period = (_numbers(folder / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    # -1: no limit.
    return quota[0] / period[0] if quota and period and min(*quota, *period) > 0 else None


def _numbers(file: Path) -> list[int]:
    try:
        return [int(word) for word in file.read_text(encoding="ascii").split()]
    except (OSError, ValueError):
        return []

"""Becomes another program that dies with its parent, and may be another user.

Run as a script, with the standard library alone; `launcher` makes its command line. It replaces
`preexec_fn`, which is unsafe in a process with threads.
"""

import contextlib
import ctypes
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
CLONE_NEWUSER = 0x10000000  # linux/sched.h; os.unshare came with Python 3.12


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Who a program runs as."""

    user: int
    group: int
    namespace: bool = False
    """Only by name: in a user namespace, where all that we own seems to be this user's."""


def launcher(
    death_signal: signal.Signals, identity: Identity | None = None, *, niceness: int = 0
) -> list[str]:
    """Return the words to put before a command line.

    Call it in the thread that starts the program, and keep that thread: the kernel takes its end
    for the parent's death.
    """
    who = ["-", "-", "-"]
    if identity is not None:
        kind = "namespace" if identity.namespace else "user"
        who = [kind, str(identity.user), str(identity.group)]
    python = [sys.executable, "-I", "-S", __file__]
    return [*python, str(os.getpid()), str(int(death_signal)), str(niceness), *who]


def main(arguments: list[str]) -> None:
    """Prepare this process, then execute the program."""
    parent, death_signal, niceness, kind, user, group, *command = arguments
    try:
        if int(niceness):
            _let_others_first(int(niceness))
        _prepare(int(death_signal), kind, user, group)
        if os.getppid() == int(parent):  # else it died before the kernel knew of our wish
            os.execvp(command[0], command)  # noqa: S606 - our own programs
    except OSError as error:
        sys.exit(f"{command[0]} cannot be started: {error}")


def _prepare(death_signal: int, kind: str, user: str, group: str) -> None:
    """Change the user, then ask for the signal: a change of user clears it."""
    if kind == "namespace":
        _enter_namespace(int(user), int(group))
    elif kind == "user":
        os.setgroups([])
        os.setgid(int(group))
        os.setuid(int(user))
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, death_signal)


def _let_others_first(niceness: int) -> None:
    os.nice(niceness)
    # Linux may share cores out among sessions first, and each service has one: sched(7), "The
    # autogroup feature". Where it does not, the line above is enough.
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness))


def _enter_namespace(user: int, group: int) -> None:
    """Move into a user namespace in which we have other numbers."""
    real_user, real_group = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "this system allows no user namespaces")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {real_user} 1\n")
    Path("/proc/self/gid_map").write_text(f"{group} {real_group} 1\n")


if __name__ == "__main__":
    main(sys.argv[1:])

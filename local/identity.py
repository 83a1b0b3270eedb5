"""Who a process runs as when packshot runs as root, because Postgres refuses to be root."""

import ctypes
import os
import pwd
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local.errors import StackError

CLONE_NEWUSER = 0x10000000
"""From linux/sched.h; `os.unshare` came with Python 3.12."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The user that a child process becomes."""

    user: int | None = None
    """User id to change to; None keeps root."""
    group: int | None = None
    """Group id to change to; None keeps root's."""
    prepare: Callable[[], None] | None = None
    """Called in the child before it executes its program."""

    def own(self, path: Path) -> None:
        """Give a file, or a folder with all that is in it, to this user."""
        wanted = os.geteuid() if self.user is None else self.user
        if path.stat().st_uid == wanted:
            return
        group = os.getegid() if self.group is None else self.group
        for folder, _, files in os.walk(path):
            for file in files:
                os.chown(Path(folder, file), wanted, group, follow_symlinks=False)
            os.chown(folder, wanted, group)
        if not path.is_dir():
            os.chown(path, wanted, group)


def unprivileged(program: Path, folder: Path) -> Identity:
    """Find an identity other than root that can run `program` on `folder`.

    An ordinary user stays who they are. Root becomes `nobody`; where `nobody` cannot get in (the
    checkout or the data lies under `/root`), a user namespace in which root has another number.

    Raises:
        StackError: Neither works here.
    """
    if os.geteuid() != 0:
        return Identity()
    nobody = pwd.getpwnam("nobody")
    candidates = (
        Identity(user=nobody.pw_uid, group=nobody.pw_gid),
        Identity(prepare=_namespace(nobody.pw_uid, nobody.pw_gid)),
    )
    for identity in candidates:
        if _works(identity, program, folder):
            return identity
    raise StackError(
        f"Postgres must not run as root, and no other user can reach {program} and {folder} here. "
        "Run packshot as an ordinary user, or move it and PACKSHOT_HOME out of private folders "
        "such as /root."
    )


def _works(identity: Identity, program: Path, folder: Path) -> bool:
    """Try it: run the program and enter the folder."""
    script = '"$1" --version >/dev/null 2>&1 && cd -- "$2" 2>/dev/null'
    try:
        probe = subprocess.run(  # noqa: S603 - our own programs
            ["/bin/sh", "-c", script, "sh", str(program), str(folder)],
            check=False,
            cwd="/",
            user=identity.user,
            group=identity.group,
            extra_groups=None if identity.user is None else [],
            preexec_fn=identity.prepare,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return probe.returncode == 0


def _namespace(user: int, group: int) -> Callable[[], None]:
    """Make a function that moves the calling process into a user namespace.

    There it sees itself, and all that root owns, as `user`. The number must have a name in
    `/etc/passwd`: initdb looks it up.
    """
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        real_user, real_group = os.geteuid(), os.getegid()
        if libc.unshare(CLONE_NEWUSER) != 0:
            raise OSError(ctypes.get_errno(), "no user namespace")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {real_user} 1\n")
        Path("/proc/self/gid_map").write_text(f"{group} {real_group} 1\n")

    return prepare

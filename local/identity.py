"""Who Postgres runs as when packshot runs as root, because it refuses to be root."""

import os
import pwd
import signal
import subprocess
from pathlib import Path

from local.errors import StackError
from local.launch import Identity, launcher


def unprivileged(program: Path, folder: Path) -> Identity | None:
    """Find an identity other than root that can run `program` on `folder`; None: who we are.

    An ordinary user stays who they are. Root becomes `nobody`; where `nobody` cannot get in (the
    checkout or the data lie under `/root`), it enters a user namespace in which it is not root.

    Raises:
        StackError: Neither works here.
    """
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")  # a number without a name would not do: initdb looks it up
    for namespace in (False, True):
        identity = Identity(user=nobody.pw_uid, group=nobody.pw_gid, namespace=namespace)
        if _works(identity, program, folder):
            return identity
    raise StackError(
        f"Postgres must not run as root, and no other user can reach {program} and {folder} here. "
        "Run packshot as an ordinary user, or move it and PACKSHOT_HOME out of private folders "
        "such as /root."
    )


def give(path: Path, identity: Identity | None) -> None:
    """Make a file, or a folder with all that is in it, belong to an identity."""
    by_name_only = identity is None or identity.namespace
    user = os.geteuid() if by_name_only or identity is None else identity.user
    group = os.getegid() if by_name_only or identity is None else identity.group
    if path.stat().st_uid == user:
        return
    for folder, _, files in os.walk(path, topdown=False):
        for file in files:
            os.chown(Path(folder, file), user, group, follow_symlinks=False)
        os.chown(folder, user, group)
    os.chown(path, user, group)


def _works(identity: Identity, program: Path, folder: Path) -> bool:
    """Try it: run the program and enter the folder."""
    script = '"$1" --version && cd -- "$2"'
    probe = subprocess.run(  # noqa: S603 - our own programs
        [
            *launcher(signal.SIGKILL, identity),
            *("/bin/sh", "-c", script, "sh", str(program), str(folder)),
        ],
        check=False,
        capture_output=True,
        cwd="/",
    )
    return probe.returncode == 0

"""Runs a command under what the system unit forbids, as far as that can be done without systemd as init.

    python tests/confine.py UNIT COMMAND...

Needs root, to take it away: no capabilities, no new privileges, a file system that is read-only, no memory that is
writable and executable, no system calls but those of the unit's filter, no network.
"""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
from pathlib import Path

PR_SET_MDWE = 65
PR_MDWE_REFUSE_EXEC_GAIN = 1
SCMP_ACT_ALLOW = 0x7FFF0000
SCMP_ACT_ERRNO = 0x00050000


def expand(names: list[str]) -> set[str]:
    """Return the system calls of groups such as @system-service, and of groups in them."""
    calls = set()
    for name in names:
        if not name.startswith("@"):
            calls.add(name)
            continue
        listed = subprocess.run(
            ["systemd-analyze", "--no-pager", "syscall-filter", name], capture_output=True, text=True, check=True
        )
        words = [line.strip() for line in listed.stdout.splitlines()[1:]]
        calls |= expand([word for word in words if word and not word.startswith("#")])
    return calls


def find_allowed(unit: str) -> set[str]:
    """Return the system calls that a unit's filters let through; a later one takes from the earlier."""
    allowed = expand(["@default"]) | {"execve"}
    for line in Path(unit).read_text().splitlines():
        name, _, value = line.partition("=")
        if name == "SystemCallFilter" and value.startswith("~"):
            allowed -= expand(value[1:].split())
        elif name == "SystemCallFilter":
            allowed |= expand(value.split())
    return allowed


def confine(allowed: set[str]) -> None:
    """Take system calls and executable memory away from this process and what it becomes."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_MDWE")
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(SCMP_ACT_ERRNO | errno.EPERM))
    for name in sorted(allowed):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            seccomp.seccomp_rule_add_array(context, SCMP_ACT_ALLOW, number, 0, None)
    if seccomp.seccomp_load(context):
        raise OSError("expected the kernel to take the filter, found that it does not")


def main() -> None:
    """Go through the stages, each a process that becomes the next."""
    unit, *command = sys.argv[1:]
    if os.environ.get("CONFINED") is None:
        script = "mount --make-rprivate / && mount -o remount,bind,ro / && exec setpriv --bounding-set=-all "
        script += '--inh-caps=-all --no-new-privs "$@"'
        again = [sys.executable, __file__, *sys.argv[1:]]
        arguments = ["unshare", "--mount", "--net", "sh", "-c", script, "sh", *again]
        os.execvpe("unshare", arguments, os.environ | {"CONFINED": "1"})
    confine(find_allowed(unit))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()

"""Runs a command under what the system unit forbids, as far as that can be done without systemd as init.

    python tests/confine.py UNIT[:DROP-IN] COMMAND...

Needs root, to take it away: another user without capabilities or groups, no new privileges, a file system that is
read-only and of the folders that are closed to others nothing but the program and the sound server's socket, no memory
that is writable and executable, no system calls but those of the unit's filter, no network unless a drop-in has one.
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
MS_BIND = 4096
SCMP_ACT_ALLOW = 0x7FFF0000
SCMP_ACT_ERRNO = 0x00050000


NOBODY = "65534"


def find_closed(path: Path) -> Path | None:
    """Return the outermost folder on the way to a path that other users cannot enter."""
    return next((folder for folder in reversed(path.parents) if not folder.stat().st_mode & 0o001), None)


def expose(paths: list[Path]) -> None:
    """Let other users reach these paths, and of the closed folders on the way there nothing else.

    As ProtectHome=tmpfs and BindReadOnlyPaths= do; in a mount namespace of this process's own.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    hidden = [(path, os.open(path, os.O_PATH), path.is_dir()) for path in sorted(paths) if find_closed(path)]
    while closed := [folder for folder in (find_closed(path) for path, _, _ in hidden) if folder]:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", closed[0]], check=True)
        for path, opened, is_folder in hidden:
            if closed[0] not in path.parents or path.exists():
                continue
            (path if is_folder else path.parent).mkdir(parents=True, exist_ok=True)
            if not is_folder:
                path.touch()
            if libc.mount(f"/proc/self/fd/{opened}".encode(), bytes(path), None, MS_BIND, None):
                raise OSError(ctypes.get_errno(), f"expected to mount {path}, found that it cannot be")


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


def read_lines(unit: str) -> list[str]:
    """Return the lines of a unit and of what is dropped in."""
    return [line for file in unit.split(":") for line in Path(file).read_text().splitlines()]


def find_allowed(unit: str) -> set[str]:
    """Return the system calls that a unit's filters let through; a later one takes from the earlier."""
    allowed = expand(["@default"]) | {"execve"}
    for line in read_lines(unit):
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
    again = [sys.executable, __file__, *sys.argv[1:]]
    stage = os.environ.pop("CONFINE_STAGE", "root")
    if stage == "root":
        os.environ["CONFINE_STAGE"] = "namespace"
        network = [] if "PrivateNetwork=no" in read_lines(unit) else ["--net"]
        os.execvp("unshare", ["unshare", "--mount", *network, *again])
    elif stage == "namespace":
        server = os.environ.get("PULSE_SERVER", "").removeprefix("unix:")
        needed = [sys.prefix, sys.base_prefix, Path(__file__).absolute().parents[1], *([server] if server else [])]
        expose([Path(path) for path in needed])
        subprocess.run(["mount", "-o", "remount,bind,ro", "/"], check=True)
        os.environ |= {"CONFINE_STAGE": "user", "HOME": "/nonexistent"}
        os.environ.pop("XDG_RUNTIME_DIR", None)
        os.environ.pop("PULSE_RUNTIME_PATH", None)
        user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        os.execvp("setpriv", ["setpriv", *user, "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", *again])
    else:
        confine(find_allowed(unit))
        os.execvp(command[0], command)


if __name__ == "__main__":
    main()

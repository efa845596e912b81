#!/bin/sh
# Python before 3.11.4 holds its lock from vfork until the program of a subprocess is loaded: no thread runs meanwhile. Where that
# program lies on a slow disk, or on a network file system that hangs, the whole process stands still. Debian 12, and with it
# Raspberry Pi OS Bookworm, has 3.11.2. Expected: other threads run on, as from 3.11.4 on.
# Way out: subprocess._USE_VFORK = False; what then waits is the copy of the page tables, 10 to 50 ms of a process of 100 MB.
# Needs a C compiler; a Python to try as the argument, python3 by default.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/slow.c" <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int execve(const char *program, char *const arguments[], char *const environment[]) {
  struct timespec half_a_second = {0, 500000000};
  nanosleep(&half_a_second, 0);
  int (*load)(const char *, char *const[], char *const[]) = dlsym(RTLD_NEXT, "execve");
  return load(program, arguments, environment);
}
C
cc -shared -fPIC -o "$folder/slow.so" "$folder/slow.c" -ldl
LD_PRELOAD="$folder/slow.so" "${1:-python3}" - <<'PYTHON'
import os, subprocess, sys, threading, time

gaps, has_ended = [], threading.Event()


def run_on():
    last = time.monotonic()
    while not has_ended.is_set():
        time.sleep(0.001)
        gaps.append(time.monotonic() - last)
        last = time.monotonic()


def measure(uses_vfork):
    subprocess._USE_VFORK = uses_vfork
    gaps.clear()
    has_ended.clear()
    other = threading.Thread(target=run_on)
    other.start()
    subprocess.run(["true"], env=dict(os.environ), check=True)  # with env by execve, which is slow here
    has_ended.set()
    other.join()
    return max(gaps)


with_vfork, with_fork = measure(True), measure(False)
print(f"Python {sys.version.split()[0]}: another thread waited {1000 * with_vfork:.0f} ms for vfork, {1000 * with_fork:.0f} ms for fork")
assert (with_vfork > 0.4) == (sys.version_info < (3, 11, 4)), "CHANGED: which versions hold the lock"
assert with_fork < 0.4, "CHANGED: a fork holds it, too"
print("as expected of this version")
PYTHON

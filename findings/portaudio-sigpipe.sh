#!/bin/sh
# Importing sounddevice 0.5.3 blocks SIGPIPE in the thread that does it: it initialises PortAudio, which looks for a JACK
# server, and libjack blocks the signal for good. Whatever that thread starts inherits it: a program that writes into a
# pipe that nobody reads any longer is not ended by the signal, but has to notice the error itself. Expected: the mask is
# afterwards what it was before. Way out: signal.pthread_sigmask around what starts a program.
# Needs Debian 12 and: apt-get install libportaudio2 python3-venv. Ends with 1 if the mask is left as it was.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install -q --disable-pip-version-check sounddevice==0.5.3
dpkg-query -W -f '${Package} ${Version}\n' libportaudio2 'libjack*0' 2>/dev/null | grep -v ' $' || true
"$folder/venv/bin/python" - 2>/dev/null <<'PYTHON'
import ctypes, signal, subprocess, sys


def blocked():
    return sorted(signal.Signals(number).name for number in signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def end_of_writer():
    """Return how `yes` ends whose reader has gone: below 0 by a signal."""
    writer = subprocess.Popen(["yes"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    writer.stdout.read(1)
    writer.stdout.close()
    return writer.wait(10)


before = blocked(), end_of_writer()
import sounddevice

after = blocked(), end_of_writer()
print("sounddevice", sounddevice.__version__)
print("before:", *before, "after:", *after)
signal.pthread_sigmask(signal.SIG_SETMASK, ())
name = ctypes.create_string_buffer(b"finding")
library = ctypes.CDLL("libjack.so.0")
library.jack_client_open.restype = ctypes.c_void_p
library.jack_client_open(name, 1, None)  # 1: start no server
print("libjack alone:", *blocked())
expected = ([], -signal.SIGPIPE), (["SIGPIPE"], 1), ["SIGPIPE"]
sys.exit(0 if (before, after, blocked()) == expected else 1)
PYTHON

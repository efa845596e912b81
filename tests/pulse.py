"""A microphone without hardware: PulseAudio with a null sink, whose monitor is a real PortAudio device."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from commands import WITHIN_S

PROGRAMS = ("pulseaudio", "pactl", "paplay")


def missing_programs() -> list[str]:
    """Return the programs that have to be installed first."""
    return [program for program in PROGRAMS if shutil.which(program) is None]


@dataclass(frozen=True)
class VirtualMicrophone:
    """A running server whose default source hears what is played into its default sink."""

    environment: dict[str, str]
    server: subprocess.Popen[bytes]
    modules: tuple[str, ...]
    """The sink and the source, as the server loads them."""

    def play(self, wav: Path) -> None:
        """Play a recording into the sink, to its end."""
        subprocess.run(["paplay", "-d", "vspk", str(wav)], env=self.environment, check=True, timeout=120)

    def hang(self) -> None:
        """Stop the server where it is; it answers nobody."""
        self.server.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let the server go on."""
        self.server.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """End the server at once, as a crash does."""
        self.server.kill()
        self.server.wait(WITHIN_S)

    def control(self, *command: str) -> None:
        """Run a pactl command."""
        subprocess.run(
            ["pactl", *command], env=self.environment, check=True, timeout=WITHIN_S, stdout=subprocess.DEVNULL
        )

    def load_module(self, *module: str) -> int:
        """Load a module; return its number, by which it is unloaded."""
        pactl = ["pactl", "load-module", *module]
        return int(
            subprocess.run(pactl, env=self.environment, check=True, timeout=WITHIN_S, stdout=subprocess.PIPE).stdout
        )

    def load(self) -> None:
        """Load the sink and the source anew, after they were unloaded, and make them the default."""
        for module in self.modules:
            self.control("load-module", *module.split())
        self.control("set-default-sink", "vspk")
        self.control("set-default-source", "vmic")


def _answers(environment: dict[str, str]) -> bool:
    answer = subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False, timeout=WITHIN_S)
    return answer.returncode == 0


@contextlib.contextmanager
def virtual_microphone(folder: Path, *, rate_hz: int = 16000, n_channels: int = 1) -> Iterator[VirtualMicrophone]:
    """Run a PulseAudio server in a folder of its own."""
    socket = folder / "native"
    environment = os.environ | {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_RUNTIME_PATH": str(folder),
        "PULSE_SERVER": f"unix:{socket}",
    }
    folder.chmod(0o700)
    protocol = f"module-native-protocol-unix auth-anonymous=1 socket={socket}"
    modules = (
        f"module-null-sink sink_name=vspk rate={rate_hz} channels={n_channels} format=s16le",
        "module-remap-source source_name=vmic master=vspk.monitor",
    )
    command = ["pulseaudio", "-n", "--disable-shm=1", "--daemonize=no", "--exit-idle-time=-1", "--disallow-exit"]
    command += [
        "--use-pid-file=no",
        "--log-target=stderr",
        *(word for module in (protocol, *modules) for word in ("-L", module)),
    ]
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline_s = time.monotonic() + WITHIN_S
        while not _answers(environment):
            if server.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"PulseAudio did not start: {(folder / 'log').read_text()[-500:]}")
            time.sleep(0.1)
        microphone = VirtualMicrophone(environment, server, modules)
        microphone.control("set-default-sink", "vspk")
        microphone.control("set-default-source", "vmic")
        yield microphone
    finally:
        server.terminate()
        try:
            server.wait(WITHIN_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(WITHIN_S)

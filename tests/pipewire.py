"""A microphone without hardware under PipeWire: a virtual source beside a speaker that it captures.

PipeWire, its session manager and its PulseAudio server run as processes of their own, without a desktop, and each can
be ended and started again. A program reaches them through either of two plugins of ALSA: "pulse" asks the PulseAudio
server, "pipewire" PipeWire itself.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PROGRAMS = {
    "pipewire": "pipewire",
    "wireplumber": "wireplumber",
    "pipewire-pulse": "pipewire-pulse",
    "pw-cli": "pipewire-bin",
    "pactl": "pulseaudio-utils",
    "dbus-daemon": "dbus-daemon",
}
"""What is needed, and the packages that hold it."""
PLUGIN = "libasound_module_pcm_pipewire.so"
"""PipeWire's plugin of ALSA: of the package pipewire-alsa, which cannot be installed beside PulseAudio."""
UNPACKED = Path(sys.prefix) / "pipewire-alsa"
"""Where `make` unpacks that package instead."""
ANSWERS_WITHIN_S = 8.0
SPEAKER = "vspk"
SOURCE = "vmic"


def missing_packages() -> list[str]:
    """Return the packages that have to be installed first."""
    return [package for program, package in PROGRAMS.items() if shutil.which(program) is None]


def find_plugin() -> Path | None:
    """Return PipeWire's plugin of ALSA, if there is one."""
    places = [*UNPACKED.glob(f"usr/lib/*/alsa-lib/{PLUGIN}"), *Path("/usr/lib").glob(f"*/alsa-lib/{PLUGIN}")]
    return places[0] if places else None


class HungError(RuntimeError):
    """PipeWire, or one of its programs, does not answer."""


class PipeWire:
    """A running PipeWire, in a folder of its own, with a speaker and a source that captures what is played there."""

    def __init__(self, folder: Path, *, default: str = "pulse") -> None:
        """Start nothing yet; `default` is where ALSA's default device leads: "pulse" or "pipewire"."""
        self.environment = {
            **os.environ,
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "XDG_CONFIG_HOME": str(folder / "config"),
            "XDG_STATE_HOME": str(folder / "state"),
            "PULSE_SERVER": f"unix:{folder}/pulse/native",
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder}/bus",
            "ALSA_CONFIG_PATH": str(folder / "asound.conf"),
        }
        self.environment.pop("DISPLAY", None)
        self.nodes = [SOURCE, SPEAKER]
        """Names of all that was ever added."""
        self.n_hung = 0
        """How often PipeWire hung, and was started anew."""
        self._folder = folder
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        folder.chmod(0o700)
        lines = ["</usr/share/alsa/alsa.conf>"]
        plugin = find_plugin()
        if plugin is not None:
            lines += [f'pcm_type.pipewire {{ lib "{plugin}" }}', "pcm.pipewire { type pipewire hint.show on }"]
        lines.append(f"pcm.monitor {{ type pulse device {SPEAKER}.monitor hint.show on }}")
        lines.append(f"pcm.!default {{ type {default} hint.show on }}")
        (folder / "asound.conf").write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Start what does not run, in order, and put the speaker and the source there.

        PipeWire 0.3.65 may hang for good, mostly when its session manager was killed: then it is started anew.
        """
        self._start("bus", "dbus-daemon", "--session", "--nofork", f"--address=unix:path={self._folder}/bus")
        self._wait_for((self._folder / "bus").exists, "bus")
        try:
            self._start_server()
        except HungError:
            self.restart()

    def restart(self) -> None:
        """Start a server that hangs anew."""
        self.n_hung += 1
        for name in ("pulse", "server", "session"):
            self.kill(name)
        self._start_server()

    def _start_server(self) -> None:
        self._start("server", "pipewire")
        self._wait_for((self._folder / "pipewire-0").exists, "server")
        self._start("session", "wireplumber")
        self._start("pulse", "pipewire-pulse")
        self._wait_for(lambda: self._succeeds("pactl", "info"), "pulse")
        if not self.has(SPEAKER):
            self.add(SPEAKER, "Audio/Sink")
        if not self.has(SOURCE):
            self.add_source()

    def close(self) -> None:
        """End all of it."""
        for name in ("pulse", "server", "session", "bus"):
            self.kill(name)

    def kill(self, name: str) -> None:
        """End a program at once, as a crash does; cards are the session manager's, and go with it."""
        program = self._programs.pop(name, None)
        if program is None:
            return
        program.kill()
        program.wait(10)
        if name == "server":
            (self._folder / "pipewire-0").unlink(missing_ok=True)  # who starts next waits for it
        if name == "session" and "server" in self._programs:
            for node in self.nodes:
                if self.has(node):
                    self.remove(node)

    def hang(self, name: str) -> None:
        """Stop a program where it is; it answers nobody."""
        self._programs[name].send_signal(signal.SIGSTOP)

    def resume(self, name: str) -> None:
        """Let a program go on."""
        self._programs[name].send_signal(signal.SIGCONT)

    def add(self, name: str, media_class: str, **properties: object) -> None:
        """Make a virtual node that stays until it is removed, or the session manager is killed."""
        if name not in self.nodes:
            self.nodes.append(name)
        properties = {
            "factory.name": "support.null-audio-sink",
            "node.name": name,
            "media.class": media_class,
            "object.linger": "true",
            "audio.position": "[ MONO ]",
            "monitor.channel-volumes": "true",
        } | {key.replace("_", "."): value for key, value in properties.items()}
        text = " ".join(f"{key} = {value}" for key, value in properties.items())
        create = ("pw-cli", "create-node", "adapter", f"{{ {text} }}")
        self._wait_for(lambda: self.has(name) or (self._succeeds(*create) and self.has(name)), name)

    def add_source(self, name: str = SOURCE, **properties: object) -> None:
        """Make a source that captures what the speaker plays, and make it the default."""
        self.add(name, "Audio/Source/Virtual", **properties)
        self._wait_for(lambda: self._succeeds("pw-link", f"{SPEAKER}:monitor_MONO", f"{name}:input_MONO"), "link")
        self.set_default(name)

    def set_default(self, name: str) -> None:
        """Make a source the default."""
        value = f'{{ "name": "{name}" }}'
        command = ("pw-metadata", "0", "default.configured.audio.source", value, "Spa:String:JSON")
        self._wait_for(lambda: self._succeeds(*command), "default")

    def remove(self, name: str = SOURCE) -> None:
        """Destroy a node, as a card that is unplugged."""
        self._wait_for(lambda: self._succeeds("pw-cli", "destroy", name) or not self.has(name), name)

    def force_quantum(self, n_samples: int) -> None:
        """Have the graph turn every so many samples of its clock."""
        self._set("clock.force-quantum", n_samples)

    def force_rate(self, rate_hz: int) -> None:
        """Have the graph run at a rate."""
        self._set("clock.force-rate", rate_hz)

    def has(self, name: str) -> bool:
        """Return whether there is a node of this name."""
        listed = ""

        def list_nodes() -> bool:
            nonlocal listed
            listed = self._output_of("pw-dump")
            return listed != ""

        self._wait_for(list_nodes, "server")
        return f'"node.name": "{name}"' in listed

    def play(self, wav: Path) -> None:
        """Play a recording into the speaker, to its end."""
        self.control("pw-cat", "-p", "--target", SPEAKER, str(wav), timeout_s=120)

    def control(self, *command: str, timeout_s: float = 20.0) -> str:
        """Run a command; return what it writes."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout_s, check=True
        )
        return done.stdout

    def _set(self, name: str, value: int) -> None:
        self._wait_for(lambda: self._succeeds("pw-metadata", "-n", "settings", "0", name, str(value)), name)

    def _succeeds(self, *command: str) -> bool:
        """Run a command; return whether it has worked: pw-cli may hang (0.3.65), and is then asked again."""
        try:
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=2, check=False)
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0 and not done.stderr.strip().startswith("Error")

    def _output_of(self, *command: str) -> str:
        try:
            done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=2, check=False)
        except subprocess.TimeoutExpired:
            return ""
        return done.stdout

    def _start(self, name: str, *command: str) -> None:
        running = self._programs.get(name)
        if running is None or running.poll() is not None:
            with open(self._folder / f"{name}.log", "ab") as log:
                self._programs[name] = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)

    def _wait_for(self, is_there: Callable[[], bool], what: str) -> None:
        deadline_s = time.monotonic() + ANSWERS_WITHIN_S
        while not is_there():
            if time.monotonic() > deadline_s:
                log = self._folder / f"{what}.log"
                raise HungError(f"expected '{what}', found: {log.read_text()[-500:] if log.exists() else 'nothing'}")
            time.sleep(0.05)


@contextlib.contextmanager
def running_pipewire(folder: Path, *, default: str = "pulse") -> Iterator[PipeWire]:
    """Run PipeWire in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(PipeWire(folder, default=default)) as pipewire:
        pipewire.start()
        yield pipewire

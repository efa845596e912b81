"""What can happen to a daemon and to the sound server that it listens to: PulseAudio, or PipeWire.

Each fault is a method: it happens, lasts for about as long as it is asked to, and is over when the method returns.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

from listener import Listener
from pipewire import SOURCE, SPEAKER, HungError, PipeWire, running_pipewire
from pulse import VirtualMicrophone, virtual_microphone

QUANTA = (256, 512, 1024, 2048, 4096, 8192)
RATES_HZ = (44100, 48000, 96000)


class World:
    """What happens to the daemon, whatever it listens to."""

    RECONNECTS: ClassVar[tuple[str, ...]] = ()
    """Faults after which the microphone is opened anew."""
    MOVES: ClassVar[tuple[str, ...]] = ()
    """Faults in which the server moves the stream: the log says so, the ledger may."""
    HARMLESS: ClassVar[tuple[str, ...]] = ()
    """Faults of the server that lose little, if anything."""
    OF_THE_DAEMON = ("stop", "hog", "reload", "unread", "full")

    environment: dict[str, str]
    device: str
    play: tuple[str, ...]
    """The command that plays a recording to the microphone."""
    record: tuple[str, ...]
    """The command that records from it, as `Control` wants it."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.away_s = 0.0
        """For how long the microphone was not there in the latest fault."""

    n_hung = 0
    """How often the server hung by itself."""

    def happen(self, kind: str, length_s: float, listener: Listener) -> None:
        """Let a fault happen, and return when it is over."""
        getattr(self, kind)(length_s, listener)

    def _be_away(self, length_s: float) -> None:
        began_s = time.monotonic()
        time.sleep(length_s)
        self.away_s = time.monotonic() - began_s

    @classmethod
    def kinds(cls) -> tuple[str, ...]:
        """Return all that may happen."""
        return (*cls.RECONNECTS, *cls.MOVES, *cls.HARMLESS, *cls.OF_THE_DAEMON)

    def stop(self, length_s: float, listener: Listener) -> None:
        """Stop the daemon where it is, and let it go on later."""
        listener.process.send_signal(signal.SIGSTOP)
        time.sleep(2.0 * length_s)
        listener.process.send_signal(signal.SIGCONT)

    def hog(self, length_s: float, _: Listener) -> None:
        """Take every core."""
        hogs = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
        time.sleep(length_s)
        for hog in hogs:
            hog.kill()
            hog.wait(10)

    def unread(self, length_s: float, listener: Listener) -> None:
        """Fill the pipes that the daemon writes to, and read them later."""
        listener.may_read.clear()
        for stream in (listener.process.stdout, listener.process.stderr):
            assert stream is not None
            pipe = os.open(f"/proc/self/fd/{stream.fileno()}", os.O_WRONLY | os.O_NONBLOCK)
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(pipe, b"\n" * 4096)
            os.close(pipe)
        time.sleep(length_s)
        listener.may_read.set()

    def full(self, length_s: float, listener: Listener) -> None:
        """Fill the disk that is recorded on."""
        junk = listener.disk / "junk"
        with contextlib.suppress(OSError), open(junk, "wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        time.sleep(length_s)
        junk.unlink()

    def reload(self, _: float, listener: Listener) -> None:
        """Have the settings read anew, which may not be settings."""
        listener.settings.write_text(self._rng.choice(("", "nonsense", 'words = ["maybe"]', 'log_level = "info"')))
        listener.process.send_signal(signal.SIGHUP)


class PulseAudioWorld(World):
    """A PulseAudio server, and what can happen to it."""

    RECONNECTS = ("kill", "suspend", "unload", "hang")
    device = "pulse"
    play = ("paplay", "--latency-msec=50", "-d", "vspk")
    record = ("parec", "--latency-msec=50", "-d", "vmic", "--raw", "--rate=16000", "--channels=1", "--format=s16le")

    def __init__(self, stack: contextlib.ExitStack, folder: Path, rng: random.Random) -> None:
        super().__init__(rng)
        self._folder = folder
        self._server = stack.enter_context(contextlib.ExitStack())
        self._microphone: VirtualMicrophone = self._server.enter_context(virtual_microphone(folder))
        self.environment = self._microphone.environment

    def kill(self, length_s: float, _: Listener) -> None:
        """End the sound server at once, and start another later."""
        self._microphone.kill()
        self._be_away(length_s)
        self._server.close()
        self._microphone = self._server.enter_context(virtual_microphone(self._folder))

    def suspend(self, length_s: float, _: Listener) -> None:
        """Suspend the source: PortAudio says nothing, samples just stop."""
        for what, name in (("source", "vmic"), ("sink", "vspk")):
            self._microphone.control(f"suspend-{what}", name, "1")
        self._be_away(1.0 + length_s)
        for what, name in (("sink", "vspk"), ("source", "vmic")):
            self._microphone.control(f"suspend-{what}", name, "0")

    def unload(self, length_s: float, _: Listener) -> None:
        """Remove the source and the sink; no other source is there."""
        self._microphone.control("unload-module", "module-remap-source")
        self._microphone.control("unload-module", "module-null-sink")
        self._be_away(length_s)
        self._microphone.load()

    def hang(self, length_s: float, _: Listener) -> None:
        """Stop the sound server where it is, and let it go on later."""
        self._microphone.hang()
        self._be_away(1.5 + length_s)
        self._microphone.resume()


class PipeWireWorld(World):
    """PipeWire, its session manager and its PulseAudio server, and what can happen to them."""

    RECONNECTS = ("kill", "unload", "vanish", "session", "hang")
    MOVES = ("replace", "default")
    HARMLESS = ("quantum", "rate", "pulse")
    device = "pipewire"
    play = ("pw-cat", "-p", "--target", SPEAKER)
    record = ("pw-record", "--target", SOURCE, "--rate", "16000", "--channels", "1", "--format", "s16", "-")

    def __init__(self, stack: contextlib.ExitStack, folder: Path, rng: random.Random) -> None:
        super().__init__(rng)
        self._pipewire: PipeWire = stack.enter_context(running_pipewire(folder))
        self._pipewire.add("other", "Audio/Source/Virtual")
        self.environment = self._pipewire.environment

    def happen(self, kind: str, length_s: float, listener: Listener) -> None:
        """Let a fault happen, and return when it is over; a server that hangs by itself is started anew."""
        try:
            super().happen(kind, length_s, listener)
        except HungError:
            self._pipewire.restart()
        self.n_hung = self._pipewire.n_hung

    def kill(self, length_s: float, _: Listener) -> None:
        """End all three at once, and start others later."""
        for program in ("server", "session", "pulse"):
            self._pipewire.kill(program)
        self._be_away(length_s)
        self._pipewire.start()

    def unload(self, length_s: float, _: Listener) -> None:
        """Remove the source and the speaker: the server makes a dummy, and moves the stream to its monitor."""
        self._remove_all()
        self._be_away(1.0 + length_s)
        self._pipewire.start()

    def vanish(self, length_s: float, _: Listener) -> None:
        """Remove the source: the server moves the stream to the speaker's monitor."""
        self._remove_other()
        self._pipewire.remove()
        self._be_away(1.0 + length_s)
        self._pipewire.add_source()

    def replace(self, length_s: float, _: Listener) -> None:
        """Remove the source while there is another, silent one: the server moves the stream there."""
        if not self._pipewire.has("other"):
            self._pipewire.add("other", "Audio/Source/Virtual")
        self._pipewire.remove()
        self._be_away(1.0 + length_s)
        self._pipewire.add_source()

    def default(self, length_s: float, _: Listener) -> None:
        """Make another, silent source the default, and the microphone again later."""
        if not self._pipewire.has("other"):
            self._pipewire.add("other", "Audio/Source/Virtual")
        self._pipewire.set_default("other")
        self._be_away(1.0 + length_s)
        self._pipewire.set_default("vmic")

    def session(self, length_s: float, _: Listener) -> None:
        """End the session manager, and with it what is connected; start it again later."""
        self._pipewire.kill("session")
        self._be_away(1.0 + length_s)
        self._pipewire.start()

    def hang(self, length_s: float, _: Listener) -> None:
        """Stop the server where it is, and let it go on later."""
        self._pipewire.hang("server")
        self._be_away(1.5 + length_s)
        self._pipewire.resume("server")

    def quantum(self, _: float, __: Listener) -> None:
        """Have samples come in larger or smaller pieces."""
        self._pipewire.force_quantum(self._rng.choice(QUANTA))

    def rate(self, _: float, __: Listener) -> None:
        """Have the server run at another rate."""
        self._pipewire.force_rate(self._rng.choice(RATES_HZ))

    def pulse(self, length_s: float, _: Listener) -> None:
        """End the PulseAudio server alone, and start it again later."""
        self._pipewire.kill("pulse")
        self._be_away(length_s)
        self._pipewire.start()

    def _remove_other(self) -> None:
        if self._pipewire.has("other"):
            self._pipewire.remove("other")

    def _remove_all(self) -> None:
        self._remove_other()
        self._pipewire.remove()
        self._pipewire.remove(SPEAKER)


class PulsePluginWorld(PipeWireWorld):
    """The same, listened to through its PulseAudio server."""

    RECONNECTS = (*PipeWireWorld.RECONNECTS, "pulse")
    HARMLESS = ("quantum", "rate")
    device = "pulse"


WORLDS: dict[str, type[PulseAudioWorld | PipeWireWorld]] = {
    "pulseaudio": PulseAudioWorld,
    "pipewire-pulse": PulsePluginWorld,
    "pipewire": PipeWireWorld,
}

"""`keyword-detector bench`: what detection costs on this machine, part by part."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec
import numpy as np

from detector.cli.arguments import print_json, print_lines
from detector.core.decision import Decision
from detector.core.detector import Detector
from detector.core.frontend import StreamingLogMel
from detector.errors import EXIT_OK, SettingsError
from detector.events import Scored
from detector.process.memory import peak_memory_mb
from detector.settings import Settings

SHORTEST_S, LONGEST_S = 2, 600
"""Of the audio to measure on."""


def bench(settings: Settings, *, seconds: float) -> int:
    """Measure the cost of detection and print it."""
    from detector.assembly import open_detector

    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise SettingsError(f"expected {SHORTEST_S} to {LONGEST_S} seconds to measure on, found {seconds:g}")
    costs = measure(open_detector(settings), seconds=seconds)
    print_json(costs) if settings.json else print_lines(costs.lines())
    return EXIT_OK


class Costs(msgspec.Struct, frozen=True):
    """CPU time of each part, for one hop from a window to the next."""

    real_time_factor: float
    """CPU seconds for a second of audio; one over it is how many times faster than real time."""
    cpu_percent: float
    """Of one core, while listening."""
    hops_per_second: float
    frontend_us: float
    model_us: float
    decision_us: float
    resident_mb: float
    """Largest resident memory of this process so far."""

    def lines(self) -> list[str]:
        """Return the costs for people to read."""
        speed = f"{1.0 / self.real_time_factor:.0f} times real time, {self.cpu_percent:.2f} % of one core"
        return [
            f"{speed}, {self.hops_per_second:.3g} decisions a second",
            f"a hop: front end {self.frontend_us:.0f}, model {self.model_us:.0f}, decision {self.decision_us:.0f} us",
            f"resident memory {self.resident_mb:.0f} MB",
        ]


def measure(detector: Detector, *, seconds: float) -> Costs:
    """Measure a detector on noise; cost does not depend on the sound. Takes some seconds."""
    model, manifest = detector.model, detector.model.manifest
    rate_hz, stride = manifest.frontend.sample_rate_hz, manifest.stride_samples
    n_hops = max(1, round(seconds * rate_hz) // stride)
    samples = np.random.default_rng(0).integers(-3000, 3000, n_hops * stride, dtype=np.int16)
    hops = samples.reshape(n_hops, stride)

    def feed_all() -> None:
        for hop in hops:
            detector.feed(hop)

    frontend = StreamingLogMel(manifest.frontend)
    frontend.feed(samples[: manifest.window_samples])

    def extract_all() -> None:
        for hop in hops:
            frontend.feed(hop)

    features = np.zeros((manifest.n_frames, manifest.frontend.n_mels), dtype=np.float32)

    def score_all() -> None:
        for _ in hops:
            model.score(features).tolist()

    decision = Decision.of_model(manifest, detector.words, detector.decision_settings)
    scores = [1.0 / len(manifest.labels)] * len(manifest.labels)

    def decide_all() -> None:
        for hop in range(n_hops):
            decision.decide(Scored(hop * stride, scores))

    detector.reset()
    detector.feed(samples[: manifest.window_samples])
    per_hop_s = cpu_s(feed_all) / n_hops
    factor = per_hop_s * rate_hz / stride
    return Costs(
        real_time_factor=factor,
        cpu_percent=100.0 * factor,
        hops_per_second=rate_hz / stride,
        frontend_us=1e6 * cpu_s(extract_all) / n_hops,
        model_us=1e6 * cpu_s(score_all) / n_hops,
        decision_us=1e6 * cpu_s(decide_all) / n_hops,
        resident_mb=peak_memory_mb(),
    )


def cpu_s(work: Callable[[], object], *, n_repeats: int = 3, now_s: Callable[[], float] = time.process_time) -> float:
    """Return the least CPU time of some runs, in seconds: the one that other programs disturbed least."""
    best_s = float("inf")
    for _ in range(n_repeats):
        started_s = now_s()
        work()
        best_s = min(best_s, now_s() - started_s)
    return best_s

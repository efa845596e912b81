"""What detection costs, as ratios within one run: machines are shared and noisy, so absolute times mean little.

python tests/benchmarks/bench_detect.py
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile

from detector import Detector, load_model
from detector.cli.bench import cpu_s, measure
from detector.core.decision import Decision
from detector.core.frontend import LogMel, StreamingLogMel
from detector.core.head import Head, Unit
from detector.core.manifest import DecisionSettings, WordDecision
from detector.core.readout import push
from detector.events import Scored

DEMO = Path(__file__).parent.parent / "recordings" / "demo.flac"


def main() -> None:
    """Print the costs of the parts, and ratios between ways of doing the same."""
    model = load_model("yes-no")
    costs = measure(Detector(model), seconds=60)
    print(*costs.lines(), sep="\n")
    print(
        f"parts of a hop, relative to the model: front end {costs.frontend_us / costs.model_us:.2f}, "
        f"decision {costs.decision_us / costs.model_us:.3f}"
    )

    manifest = model.manifest
    stride, window = manifest.stride_samples, manifest.window_samples
    samples = (np.random.default_rng(0).standard_normal(window + 200 * stride) * 1000).astype(np.int16)
    log_mel, streaming = LogMel(manifest.frontend), StreamingLogMel(manifest.frontend)
    streaming.feed(samples[:window])
    ends = range(window + stride, len(samples) + 1, stride)
    whole = cpu_s(lambda: [log_mel(samples[end - window : end]) for end in ends])
    new = cpu_s(lambda: [streaming.feed(samples[end - stride : end]) for end in ends])
    print(f"front end, whole window over new frames only: {whole / new:.1f}")

    hop_us = 1e6 * costs.real_time_factor / costs.hops_per_second
    one_us, four_us, five_us = (head_us(n_words) for n_words in (1, 4, 5))
    print(
        f"a learnt word's head, five embeddings of 96 numbers: {one_us:.1f} us a hop, {100 * one_us / hop_us:.1f} % of "
        f"yes-no's; the fifth word {five_us - four_us:.2f} us, {100 * (five_us - four_us) / hop_us:.2f} %"
    )

    command = [sys.executable, "-m", "detector", "detect", *[str(DEMO)] * 20]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    audio_s = 20 * soundfile.info(DEMO).duration
    print(f"the command detect, start and decoding included: {audio_s / used_s:.0f} times real time")


def head_us(n_words: int) -> float:
    """Return what learnt words add to a hop beside their network: keeping its outputs, scores, the decision."""
    rng, labels = np.random.default_rng(0), [f"word {k}" for k in range(n_words)]
    outputs = rng.integers(-128, 128, (17, 96)).astype(np.int8)
    words = [[Unit(bias=0.0, weights=rng.normal(size=5 * 96).tolist()) for _ in range(3)] for _ in labels]
    head = Head((0, 4, 8, 12, 16), words, scale=0.03, zero_point=0)
    limits = WordDecision(threshold=1.0, rearm=0.5, duration_s=0.5)
    settings = DecisionSettings(smoothing_windows=2, refractory_s=1.0, words=dict.fromkeys(labels, limits))
    decision = Decision(settings, labels, labels, sample_rate_hz=16000, window_samples=16000, stride_samples=960)
    ends = range(16000, 16000 + 960 * 5000, 960)

    def score_all() -> None:
        for end in ends:
            latest = push(outputs, outputs[0])
            decision.decide(Scored(end, head.score(latest)))

    return 1e6 * cpu_s(score_all, n_repeats=5) / len(ends)


if __name__ == "__main__":
    main()

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
from detector.core.frontend import LogMel, StreamingLogMel

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

    command = [sys.executable, "-m", "detector", "detect", *[str(DEMO)] * 20]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    audio_s = 20 * soundfile.info(DEMO).duration
    print(f"the command detect, start and decoding included: {audio_s / used_s:.0f} times real time")


if __name__ == "__main__":
    main()

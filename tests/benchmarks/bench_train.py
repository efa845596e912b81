"""What a training step waits for, as ratios within one run: composing, reading and masking windows against the network.

python tests/benchmarks/bench_train.py [DATA]

DATA is a folder in the Speech Commands layout; without one, made-up words are composed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).parent.parent))

import keras
import numpy as np
import tiny_words

from detector.cli.bench import cpu_s
from training.data.collection import Collection
from training.data.items import Split
from training.network.architectures import ARCHITECTURES, build_model
from training.network.batches import Batches, make_targets
from training.run.recordings import index
from training.run.settings import TrainSettings, WindowSettings
from training.windows.features import SHARD_WINDOWS, FeatureStore, ShardMaker

N_BATCHES = 8


def main() -> None:
    """Print processor time per window of each part, and how many times faster than the step the input is."""
    with TemporaryDirectory() as folder:
        data = Path(sys.argv[1]) if len(sys.argv) > 1 else tiny_words.make(Path(folder))
        words = ("yes", "no") if len(sys.argv) > 1 else ("up", "down")
        settings = TrainSettings(
            data=(str(data),), words=words, steps_per_epoch=N_BATCHES, windows=WindowSettings(n_rooms=50)
        )
        items = index(settings)
        collection = Collection.open(items, cache=Path(folder), sample_rate_hz=16000)
        maker = ShardMaker(settings, collection, Split.TRAINING)
        compose_us = 1e6 * cpu_s(lambda: maker.make(0, SHARD_WINDOWS)) / SHARD_WINDOWS
        windows = FeatureStore.build(settings, collection, Split.TRAINING, n_windows=SHARD_WINDOWS, n_workers=1)
        targets = make_targets(settings, windows, ())
        batches = Batches(settings, windows, targets, 0)
        n_windows = N_BATCHES * settings.batch_size
        read_us = 1e6 * cpu_s(lambda: [batches[k] for k in range(N_BATCHES)]) / n_windows
        print(f"composing a window, once in a run: {compose_us:.0f} us")
        print(f"reading and masking it, each time: {read_us:.1f} us")
        made = [batches[k] for k in range(N_BATCHES)]
        for name in ARCHITECTURES:
            model = build_model(name, n_frames=49, n_mels=40, n_labels=len(settings.labels))
            model.compile(keras.optimizers.AdamW(), "categorical_crossentropy", jit_compile=False)
            model.train_on_batch(*made[0])
            step_us = 1e6 * cpu_s(lambda model=model: [model.train_on_batch(*batch) for batch in made]) / n_windows
            n_seen = settings.epochs * 1000 * settings.batch_size / settings.distinct_windows
            total_us = read_us + compose_us / n_seen
            print(
                f"{name}: a step takes {step_us:.0f} us a window, {step_us / read_us:.0f} times its input; "
                f"{step_us / total_us:.1f} times when composing is spread over the {n_seen:.0f} times it is seen"
            )


if __name__ == "__main__":
    np.seterr(all="raise")
    main()

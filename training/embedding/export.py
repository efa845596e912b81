"""What a distillation becomes: an int8 network, and its pair's manifest, whose head knows no word yet."""

from __future__ import annotations

import hashlib
from pathlib import Path

import keras
import msgspec
import numpy as np

from detector.core.frontend import LogMel
from detector.core.golden import GoldenVector
from detector.core.head import HeadSettings, Unit
from detector.core.manifest import FORMAT_VERSION, DecisionSettings, Manifest, WordDecision, encode_manifest
from detector.core.network import Network
from detector.learn.head import N_TAPS
from detector.learn.resources import EMBEDDING
from training.embedding.bank import make_bank
from training.embedding.distil import CHECKPOINT_FILE, read_history
from training.embedding.pool import Shard, fingerprint
from training.embedding.settings import TAP_S, WINDOW_FRAMES, EmbeddingSettings
from training.embedding.sounds import open_recordings
from training.embedding.student import build_student
from training.embedding.teacher import N_OUTPUTS
from training.export.finish import golden_waveform
from training.network.quantize import convert_to_int8
from training.run.files import write_whole

N_REPRESENTATIVE = 1000
NOTHING = "word"
"""The word of the embedding's own pair; it is never detected."""


def export_run(run: Path, folder: Path, settings: EmbeddingSettings, *, shards: Path, cache: Path) -> None:
    """Quantise what a distillation has come to, and write its pair, bank and speech into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model = keras.saving.load_model(run / CHECKPOINT_FILE, compile=False)
    export_embedding(folder, model, settings, Shard(shards / fingerprint(settings), 0), read_history(run))
    make_bank(folder, settings, open_recordings(settings, cache))


def export_embedding(
    folder: Path, model: keras.Model, settings: EmbeddingSettings, shard: Shard, history: list[dict[str, float]]
) -> None:
    """Quantise a student and write its pair into a folder."""
    plain = build_student(settings.channels, settings.frontend.n_mels, N_OUTPUTS)
    plain.set_weights(model.get_weights())
    features = shard.open()[0]
    rng = np.random.default_rng(0)
    windows = []
    for _ in range(N_REPRESENTATIVE):
        sound = features[int(rng.integers(len(features)))]
        first = int(rng.integers(len(sound) - WINDOW_FRAMES + 1))
        windows.append(sound[first : first + WINDOW_FRAMES].astype(np.float32))
    flatbuffer = convert_to_int8(plain, np.stack(windows))
    write_whole(
        {
            folder / f"{EMBEDDING}.tflite": flatbuffer,
            folder / f"{EMBEDDING}.json": encode_manifest(describe(flatbuffer, settings, history)),
        }
    )


def describe(flatbuffer: bytes, settings: EmbeddingSettings, history: list[dict[str, float]]) -> Manifest:
    """Return the manifest of an embedding's pair."""
    network, log_mel = Network(flatbuffer), LogMel(settings.frontend)
    waveform = golden_waveform(
        round(settings.window_s * settings.frontend.sample_rate_hz), settings.frontend.sample_rate_hz
    )
    golden = []
    for samples in (waveform, np.zeros_like(waveform)):
        features = log_mel(samples)
        golden.append(GoldenVector.encode(samples, features, network.run(features), ""))
    n_strides = round(TAP_S / settings.stride_s)
    return Manifest(
        format_version=FORMAT_VERSION,
        name=EMBEDDING,
        words=(NOTHING,),
        labels=(NOTHING,),
        frontend=settings.frontend,
        window_s=settings.window_s,
        stride_s=settings.stride_s,
        decision=DecisionSettings(
            smoothing_windows=1,
            refractory_s=1.0,
            words={NOTHING: WordDecision(threshold=0.5, rearm=0.25, duration_s=0.5)},
        ),
        sha256=hashlib.sha256(flatbuffer).hexdigest(),
        golden=tuple(golden),
        level=settings.level,
        head=HeadSettings(
            taps=tuple(k * n_strides for k in range(N_TAPS)),
            words={NOTHING: (Unit(bias=-60.0, weights=[0.0] * (N_TAPS * N_OUTPUTS)),)},
        ),
        training={"settings": _without_folders(settings), "history": history},
    )


def _without_folders(settings: EmbeddingSettings) -> object:
    """Return settings with folders by their names alone: whose machine it was is nobody's matter."""
    fields = msgspec.to_builtins(settings)
    for name in ("data", "speech", "noise", "texts"):
        fields[name] = [Path(folder).name for folder in fields[name]]
    return fields | {"dictionary": Path(settings.dictionary).name}

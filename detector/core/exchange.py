"""Another model in the middle of a stream: what the one before knew goes on, as far as the next can use it."""

from __future__ import annotations

import msgspec
import numpy as np

from detector.core.combine import check_alike
from detector.core.decision import DecisionState, WordState
from detector.core.model import Model
from detector.core.scorer import Scorer


def exchange(scorer: Scorer, decided: DecisionState, model: Model) -> tuple[Scorer, DecisionState]:
    """Return the scorer of another model, and what its decision begins with, at the next sample of a scorer's stream.

    Scores that a word had count for it further on. A head that looks back to outputs which nobody has kept, since its
    network is new, looks back to silence: its words are not reported until it looks back to none of that.

    Raises
    ------
    ModelMismatchError
        If the model does not hear as the one before does.
    """
    old, state, readout = scorer.model, scorer.snapshot(), model.readout
    check_alike(old.manifest, model.manifest)
    kept = np.frombuffer(state.outputs, dtype=np.int8).reshape(-1, old.readout.n_outputs)
    outputs = readout.silence().copy()
    n_strides = min(len(kept), readout.n_strides)
    for network, columns in readout.columns.items():
        if network in old.readout.columns:
            outputs[len(outputs) - n_strides :, columns] = kept[len(kept) - n_strides :, old.readout.columns[network]]
    other = Scorer(model)
    other.restore(msgspec.structs.replace(state, outputs=outputs.tobytes() if readout.n_strides > 1 else b""))

    places = {label: place for place, label in enumerate(old.manifest.labels)}
    recent = [
        [row[places[label]] if label in places else 0.0 for label in model.manifest.labels] for row in decided.recent
    ]
    words = dict(decided.words)
    for manifest, _ in readout.parts:
        is_known = manifest.sha256.lower() in old.readout.columns
        if manifest.head is not None and not (is_known and len(kept) >= manifest.head.n_strides):
            quiet_until = state.n_samples + manifest.head.n_strides * manifest.stride_samples * state.stride_factor
            for word in manifest.words:
                known = words.get(word, WordState())
                words[word] = msgspec.structs.replace(known, quiet_until=max(known.quiet_until, quiet_until))
    return other, DecisionState(recent=recent, words=words)

"""Several models as one: they listen together, and whatever comes after the model knows of no more than one.

What they have in common is done once: the spectrogram, and each network, which learnt words share. Labels, words and
thresholds are those of all; how a word is decided on stays as its own model has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from detector.core.manifest import DecisionSettings, Manifest, OperatingCurve, WordDecision
from detector.core.model import Model
from detector.errors import ModelMismatchError


def combine(models: Sequence[Model]) -> Model:
    """Return one model that detects the words of some, each exactly as its own model does.

    Of words due at once only the best is reported, as with any model.

    Raises
    ------
    ModelMismatchError
        If they cannot listen together; see `combine_manifests`.
    """
    if len(models) == 1:
        return models[0]
    manifest = combine_manifests([model.manifest for model in models])
    sizes = {part.manifest.sha256.lower(): model.size_bytes for model in models for part in model.parts}
    parts = [part for model in models for part in model.parts]
    return Model.of_parts(manifest, parts, size_bytes=sum(sizes.values()))


def combine_manifests(manifests: Sequence[Manifest]) -> Manifest:
    """Return the manifest of one model that detects the words of some.

    Its name and its checksum are theirs with commas between. A label that is no word, and that one before has, such as
    "silence", becomes "NAME/silence".

    Raises
    ------
    ModelMismatchError
        If two differ in what they hear, have a word in common or the same name; the message names both.
    """
    first, *others = manifests
    if not others:
        return first
    for other in others:
        check_alike(first, other)
    _check_names(manifests)
    words = tuple(word for manifest in manifests for word in manifest.words)
    return Manifest(
        format_version=first.format_version,
        name=",".join(manifest.name for manifest in manifests),
        words=words,
        labels=_join_labels(manifests, words),
        frontend=first.frontend,
        window_s=first.window_s,
        stride_s=first.stride_s,
        decision=_join_decisions(manifests),
        sha256=",".join(manifest.sha256 for manifest in manifests),
        golden=(),
        level=first.level,
        operating_curve=_join_curves(manifests),
    )


def check_alike(first: Manifest, other: Manifest) -> None:
    """Refuse models that do not hear the same windows: the spectrogram of a stream is made once.

    Raises
    ------
    ModelMismatchError
        With what differs, in both.
    """
    for name in ("frontend", "window_s", "stride_s", "level"):
        for what, found, differs in _find_differences(name, getattr(first, name), getattr(other, name)):
            raise ModelMismatchError(
                f"expected models with the same {what}, found {found} in '{first.name}' and {differs} in '{other.name}'"
            )


def _find_differences(name: str, one: Any, other: Any) -> Iterator[tuple[str, str, str]]:
    """Yield what differs by the name of its innermost field, and both values."""
    if isinstance(one, msgspec.Struct) and isinstance(other, msgspec.Struct):
        for field in one.__struct_fields__:
            yield from _find_differences(f"{name}.{field}", getattr(one, field), getattr(other, field))
    elif one != other:
        yield name, _show(one), _show(other)


def _show(value: Any) -> str:
    if isinstance(value, msgspec.Struct):
        return "one"
    return "none" if value is None else str(value)


def _check_names(manifests: Sequence[Manifest]) -> None:
    name, count = Counter(manifest.name for manifest in manifests).most_common(1)[0]
    if count > 1:
        raise ModelMismatchError(f"expected models of different names, found {count} that are called '{name}'")
    owners: dict[str, Manifest] = {}
    for manifest in manifests:
        for word in manifest.words:
            owner = owners.setdefault(word, manifest)
            if owner is not manifest:
                raise ModelMismatchError(
                    f"expected each word in one of the models, found '{word}' in '{owner.name}' and '{manifest.name}'"
                )


def _join_labels(manifests: Sequence[Manifest], words: Sequence[str]) -> tuple[str, ...]:
    labels: list[str] = []
    for manifest in manifests:
        for label in manifest.labels:
            chosen = label
            if label not in manifest.words:
                while chosen in (*labels, *words) or (chosen != label and chosen in manifest.labels):
                    chosen = f"{manifest.name}/{chosen}"
            labels.append(chosen)
    return tuple(labels)


def _join_decisions(manifests: Sequence[Manifest]) -> DecisionSettings:
    """Return decision settings in which every word has those of its own model."""
    smoothing_windows = max(manifest.decision.longest_smoothing for manifest in manifests)
    refractory_s = manifests[0].decision.refractory_s
    words: dict[str, WordDecision] = {}
    for manifest in manifests:
        for word in manifest.words:
            n_windows, own_s = manifest.decision.smoothing_of(word), manifest.decision.refractory_of(word)
            words[word] = msgspec.structs.replace(
                manifest.decision.words[word],
                smoothing_windows=None if n_windows == smoothing_windows else n_windows,
                refractory_s=None if own_s == refractory_s else own_s,
                model=manifest.model_of(word),
            )
    return DecisionSettings(smoothing_windows=smoothing_windows, refractory_s=refractory_s, words=words)


def _join_curves(manifests: Sequence[Manifest]) -> OperatingCurve | None:
    """Return the curves of all words that have one; of the hours the fewest, since they show the highest rate."""
    curves = [(manifest.name, curve) for manifest in manifests if (curve := manifest.operating_curve) is not None]
    if not curves:
        return None
    return OperatingCurve(
        measured_on="; ".join(f"{name}: {curve.measured_on}" for name, curve in curves),
        hours=min(curve.hours for _, curve in curves),
        words={word: points for _, curve in curves for word, points in curve.words.items()},
    )

"""A finished run's pair under a name, in a folder of models, with the decision it shall have."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

import msgspec

from detector.core.detector import override_thresholds
from detector.core.manifest import Manifest, encode_manifest
from detector.core.model import Model
from detector.errors import SettingsError
from training.run.files import write_whole
from training.run.run import Run

log = logging.getLogger(__name__)


def export(
    run: Run,
    *,
    name: str,
    folder: Path,
    thresholds: Mapping[str, float],
    smoothing_windows: int | None = None,
    stride_s: float | None = None,
    refractory_s: float | None = None,
    is_replaced: bool = False,
) -> tuple[Path, Path]:
    """Copy a run's pair to `folder` under a name, with the decision it shall have.

    Raises
    ------
    SettingsError
        If the run is not finished, a threshold names no word of it, or another model has the name and is not to be
        replaced.
    """
    manifest, flatbuffer = run.read_manifest(), run.read_flatbuffer()
    if Path(name).name != name:
        raise SettingsError(f"expected a name without slashes, found '{name}'")
    changes = {"name": name, "stride_s": stride_s}
    decision_changes = {"smoothing_windows": smoothing_windows, "refractory_s": refractory_s}
    fields = msgspec.to_builtins(
        msgspec.structs.replace(manifest, decision=override_thresholds(manifest.decision, thresholds))
    )
    fields |= {key: value for key, value in changes.items() if value is not None}
    fields["decision"] |= {key: value for key, value in decision_changes.items() if value is not None}
    given = (smoothing_windows, stride_s, refractory_s)
    had = (manifest.decision.smoothing_windows, manifest.stride_s, manifest.decision.refractory_s)
    is_other = any(new not in (None, old) for new, old in zip(given, had, strict=True))
    is_curve_lost = is_other and manifest.operating_curve is not None
    if is_curve_lost:
        fields["operating_curve"] = None
    try:
        manifest = msgspec.convert(fields, Manifest)
    except msgspec.ValidationError as exc:
        raise SettingsError(f"expected a decision that fits, found: {exc}") from exc
    Model(manifest, flatbuffer)  # what is written is what loads
    if is_curve_lost:
        log.info("the operating curve was measured with another decision and is left out: keyword-trainer calibrate")
    folder.mkdir(parents=True, exist_ok=True)
    pair = folder / f"{name}.tflite", folder / f"{name}.json"
    if not is_replaced and pair[0].exists() and pair[0].read_bytes() != flatbuffer:
        raise SettingsError(f"expected a new name, found another model in {pair[0]}: choose one, or --force")
    write_whole({pair[0]: flatbuffer, pair[1]: encode_manifest(manifest)})
    return pair

"""Rooms that words are spoken in: impulse responses simulated by the image-source method (Allen and Berkley 1979)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve

from detector.errors import SettingsError
from detector.learn.augment import Audio

SMALLEST_M, LARGEST_M = (2.5, 2.5, 2.3), (8.0, 6.0, 3.5)
"""Range of a room's length, width and height, in metres."""
WALL_DISTANCE_M = 0.3
"""Nobody speaks, and no microphone stands, nearer to a wall."""
N_REFLECTIONS = 15
"""Reflections that are followed in rooms to train in. The tail is cut off: no room rings for longer than 0.4 s."""


def simulate_rooms(
    n_rooms: int, reverberation_s: tuple[float, float], sample_rate_hz: int, rng: np.random.Generator
) -> list[Audio]:
    """Simulate impulse responses of drawn rooms, places and reverberation times (RT60).

    Returns
    -------
    list of ndarray of float32, shape (n_samples,)
        Each begins with the direct sound and has the energy 1, so that it moves nothing and keeps the level.

    Raises
    ------
    SettingsError
        If pyroomacoustics is not installed.
    """
    responses: list[Audio] = []
    while len(responses) < n_rooms:
        size = rng.uniform(SMALLEST_M, LARGEST_M)
        places = rng.uniform(WALL_DISTANCE_M, size - WALL_DISTANCE_M, (2, 3))
        response = _simulate(
            size, rng.uniform(*reverberation_s), *places, sample_rate_hz=sample_rate_hz, n_reflections=N_REFLECTIONS
        )
        if response is not None:
            responses.append(response)
    return responses


def simulate_room(
    size_m: tuple[float, float, float],
    reverberation_s: float,
    distance_m: float,
    sample_rate_hz: int,
    rng: np.random.Generator,
) -> Audio:
    """Simulate one room to the end of its reverberation, speaker and microphone so far apart, at drawn places.

    Raises
    ------
    SettingsError
        If pyroomacoustics is not installed, or no such room exists.
    """
    size = np.array(size_m)
    for _ in range(1000):
        microphone, direction = rng.uniform(WALL_DISTANCE_M, size - WALL_DISTANCE_M), rng.standard_normal(3)
        speaker = microphone + distance_m * direction / np.linalg.norm(direction)
        if ((speaker > WALL_DISTANCE_M) & (speaker < size - WALL_DISTANCE_M)).all():
            response = _simulate(size, reverberation_s, speaker, microphone, sample_rate_hz=sample_rate_hz)
            if response is not None:
                return response
    raise SettingsError(f"expected a room of {size_m} m with {distance_m:g} m between two places, found none")


def _simulate(
    size: NDArray[np.floating],
    reverberation_s: float,
    speaker: NDArray[np.floating],
    microphone: NDArray[np.floating],
    *,
    sample_rate_hz: int,
    n_reflections: int | None = None,
) -> Audio | None:
    """Return an impulse response, or None when no walls absorb enough for so short a reverberation."""
    try:
        import pyroomacoustics
    except ImportError as exc:
        raise SettingsError("expected pyroomacoustics to simulate rooms: pip install pyroomacoustics") from exc
    try:
        absorption, order = pyroomacoustics.inverse_sabine(reverberation_s, size)
    except ValueError:
        return None
    material = pyroomacoustics.Material(absorption)
    order = min(order, n_reflections or order)
    room = pyroomacoustics.ShoeBox(size, fs=sample_rate_hz, materials=material, max_order=order)
    room.add_source(speaker)
    room.add_microphone(microphone)
    room.compute_rir()
    return _normalise(room.rir[0][0])


def _normalise(response: NDArray[np.floating]) -> Audio:
    direct = int(np.flatnonzero(np.abs(response) > 0.1 * np.abs(response).max())[0])
    after_direct = response[direct:]
    return np.asarray(after_direct / np.sqrt(np.dot(after_direct, after_direct)), dtype=np.float32)


def reverberate(samples: Audio, response: Audio) -> Audio:
    """Return samples as they sound in a room, same shape; what reverberates beyond their end is dropped."""
    return np.asarray(oaconvolve(samples, response)[: len(samples)], dtype=np.float32)

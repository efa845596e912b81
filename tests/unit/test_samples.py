import numpy as np

from detector.samples import to_float, to_int16


def test_every_16_bit_sample_survives_the_way_to_floats_and_back():
    samples = np.arange(-32768, 32768).astype(np.int16)
    floats = to_float(samples)
    assert floats.dtype == np.float32
    assert floats.min() == -1.0
    np.testing.assert_array_equal(to_int16(floats), samples)


def test_floats_are_rounded_half_to_even_and_clipped():
    floats = np.array([0.5, 1.5, 2.5, -0.5, 40000, -40000]) / 32768
    assert to_int16(floats).tolist() == [0, 2, 2, 0, 32767, -32768]

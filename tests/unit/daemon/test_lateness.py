from detector.daemon.lateness import Lateness


def run(load, lateness, start_s=0.0):
    """Observe so many seconds of audio waiting, one after the other, ten a second; return when which factor came."""
    changes = []
    for k, waiting_s in enumerate(lateness):
        now_s = start_s + 0.1 * k
        if load.observe(waiting_s, now_s):
            changes.append((round(now_s, 1), load.factor))
    return changes


def test_a_detector_in_time_keeps_its_stride():
    assert run(Lateness(), [0.0, 0.06, 0.29] * 300) == []


def test_the_stride_widens_step_by_step_and_no_further():
    load = Lateness()
    assert run(load, [0.9] * 100) == [(0.0, 2), (0.5, 4)]


def test_it_widens_no_further_where_that_helped():
    assert run(Lateness(), [0.9, 0.9, 0.2, 0.1] + [0.0] * 50) == [(0.0, 2)]


def test_it_narrows_step_by_step_after_a_while_in_time():
    load = Lateness()
    run(load, [0.9] * 10)
    assert run(load, [0.0] * 400, start_s=1.0) == [(10.9, 2), (20.9, 1)]
    assert load.factor == 1


def test_being_late_again_puts_narrowing_off():
    load = Lateness()
    run(load, [0.9] * 10)
    changes = run(load, [0.0] * 90 + [0.5] + [0.0] * 150, start_s=1.0)
    assert changes == [(20.0, 2)]

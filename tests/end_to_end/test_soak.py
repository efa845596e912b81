"""The soaks, shortened: hours of simulated time, and some faults of a real sound server."""

import subprocess
import sys
from pathlib import Path

import pytest
from commands import ENVIRONMENT
from mosquitto import MISSING
from pipewire import find_plugin

SOAK = Path(__file__).parent.parent / "soak"


def soak(script, *arguments):
    """Run a soak; return the line it ends with."""
    command = [sys.executable, SOAK / script, *arguments]
    finished = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=400, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout.splitlines()[-1]


def test_a_simulated_hour_of_random_faults_is_heard_through_and_kept_account_of():
    assert soak("simulated.py", "--hours", "1", "--seed", "3").endswith(" 0 failures")


@pytest.mark.microphone
def test_a_sound_server_may_be_killed_suspended_emptied_and_stopped():
    assert soak("live.py", "--faults", "6", "--kinds", "kill,suspend,unload,stop").endswith(" 0 failures")


def test_commands_end_with_0_whenever_they_are_asked_to():
    assert soak("signals.py", "--runs", "12", "--seed", "5").endswith(" 0 failures")


@pytest.mark.skipif(MISSING is not None, reason=str(MISSING))
def test_a_broker_may_come_and_go_and_every_detection_is_delivered_or_counted():
    pytest.importorskip("paho.mqtt", reason="needs the extra mqtt: pip install 'keyword-detector[mqtt]'")
    assert soak("broker.py", "--faults", "4", "--seed", "2").endswith(" 0 failures")


@pytest.mark.pipewire
@pytest.mark.parametrize("server", ["pipewire-pulse", "pipewire"])
def test_under_pipewire_sources_may_vanish_or_be_replaced_and_quanta_change(server):
    if server == "pipewire" and find_plugin() is None:
        pytest.skip("needs PipeWire's plugin of ALSA, which 'make' unpacks from pipewire-alsa")
    faults = ["--faults", "6", "--kinds", "vanish,unload,replace,quantum,session"]
    assert soak("live.py", "--server", server, *faults).endswith(" 0 failures")

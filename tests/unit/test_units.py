"""The systemd units: valid, confined, and in agreement with the exit codes."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from detector import errors
from detector.cli.parser import build_parser
from detector.core.folders import SERVICE_FOLDER
from detector.settings import read_settings

SYSTEMD = Path(__file__).parents[2] / "systemd"
PLAIN, TEMPLATE = SYSTEMD / "keyword-detector.service", SYSTEMD / "keyword-detector@.service"
SERVER = SYSTEMD / "keyword-detector-serve.service"
UNITS = [PLAIN, TEMPLATE, SYSTEMD / "user" / "keyword-detector.service"]
MOST_EXPOSED = 10
"""`--threshold` of systemd-analyze: an exposure level of 1.0."""

pytestmark = pytest.mark.skipif(not SYSTEMD.is_dir(), reason="needs the units: run it in a checkout")


@pytest.fixture(params=UNITS, ids=["system", "template", "user"])
def unit(request):
    return request.param


def read(unit):
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(unit)
    return parser


def settings_of(unit):
    return read(unit)["Service"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd")
@pytest.mark.parametrize(
    "check", [["verify"], ["security", "--offline=true", f"--threshold={MOST_EXPOSED}"]], ids=["valid", "confined"]
)
def test_systemd_finds_a_unit(unit, check, tmp_path):
    copy = tmp_path / unit.name.replace("@", "@kitchen")
    copy.write_text(unit.read_text().replace("/opt/keyword-detector/venv/bin/keyword-detector", "/bin/true"))
    finished = subprocess.run(
        ["systemd-analyze", "--no-pager", *check, copy], capture_output=True, text=True, check=False, timeout=60
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert check != ["verify"] or finished.stderr == ""


DROP_INS = {"command/gpio": 7, "network/metrics": 13, "network/mqtt": 15}
"""What an output needs of the system units that they do not have, and how exposed they are with it, ten times that."""


OF_SERVER = {"network/serve": 12}
"""The same of the server's unit, which has a network, but no further than this machine."""


def exposure_of(unit, drop_in, folder):
    """Return how exposed systemd finds a unit with a drop-in, 0 to 10, after it has found it valid."""
    copy = folder / unit.name.replace("@", "@kitchen")
    copy.write_text(unit.read_text().replace("/opt/keyword-detector/venv/bin/keyword-detector", "/bin/true"))
    beside = folder / f"{copy.name}.d"
    beside.mkdir()
    shutil.copy(SYSTEMD / f"{drop_in}.conf", beside)
    command = ["systemd-analyze", "--no-pager", "verify", copy]
    verified = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (verified.returncode, verified.stderr) == (0, "")
    command = ["systemd-analyze", "--no-pager", "security", "--offline=true", copy]
    rated = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60).stdout
    return float(re.findall(r"Overall exposure level for \S+: ([\d.]+)", rated)[0])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd")
@pytest.mark.parametrize("unit", [PLAIN, TEMPLATE])
@pytest.mark.parametrize("drop_in", DROP_INS)
def test_a_drop_in_opens_what_an_output_needs_and_not_much_more(unit, drop_in, tmp_path):
    assert 10 * exposure_of(unit, drop_in, tmp_path) <= DROP_INS[drop_in]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze: apt-get install systemd")
@pytest.mark.parametrize("drop_in", OF_SERVER)
def test_a_drop_in_of_the_server_lets_clients_of_local_networks_in_and_not_much_more(drop_in, tmp_path):
    assert 10 * exposure_of(SERVER, drop_in, tmp_path) <= OF_SERVER[drop_in]


def test_the_server_is_confined_as_the_detector_is_but_for_a_network_of_its_own_machine_and_no_microphone():
    plain, server = (
        {line for line in unit.read_text().splitlines() if line and not line.startswith("#")}
        for unit in (PLAIN, SERVER)
    )
    assert server - plain == {
        "Description=Keyword detector for Wyoming clients",
        "After=network.target multi-user.target",
        "ExecStart=/opt/keyword-detector/venv/bin/keyword-detector serve --config /etc/keyword-detector.toml",
        "PrivateDevices=yes",
        "IPAddressAllow=localhost",
        "RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6",
    }
    assert plain - server == {
        "Description=Keyword detector",
        "After=sound.target multi-user.target",
        "TimeoutStartSec=infinity",
        "ExecStart=/opt/keyword-detector/venv/bin/keyword-detector listen --config /etc/keyword-detector.toml",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "SupplementaryGroups=audio",
        "StateDirectory=keyword-detector",
        "StateDirectoryMode=0700",
        "DeviceAllow=char-alsa rw",
        "PrivateNetwork=yes",
        "RestrictAddressFamilies=AF_UNIX",
    }
    _, *arguments = settings_of(SERVER)["ExecStart"].split()
    assert build_parser().parse_args(arguments).verb == "serve"


def test_each_drop_in_is_rated_and_leaves_closed_what_is_not_named():
    assert {str(file.relative_to(SYSTEMD).with_suffix("")) for file in SYSTEMD.glob("*/*.conf")} == {
        *DROP_INS,
        *OF_SERVER,
    }
    for name in (*DROP_INS, *OF_SERVER):
        opened = read(SYSTEMD / f"{name}.conf")
        assert opened.sections() == ["Service"]
        assert "IPAddressDeny" not in opened["Service"]  # what is not allowed stays denied


def test_what_would_fail_again_is_not_tried_again(unit):
    prevented = {int(code) for code in settings_of(unit)["RestartPreventExitStatus"].split()}
    assert prevented == {errors.EXIT_USAGE, errors.EXIT_AUDIO_FILE, errors.EXIT_SETTINGS}
    assert settings_of(unit)["Restart"] == "always"  # a closed output ends it with 0


def test_a_target_does_not_wait_for_a_microphone(unit):
    """A target starts after what it wants, unless that says that it starts after the target (systemd.target(5))."""
    assert read(unit)["Install"]["WantedBy"] in read(unit)["Unit"]["After"].split()


def test_inference_can_see_what_the_processor_can_do(unit):
    assert settings_of(unit).get("ProcSubset", "all") == "all"


def test_each_of_several_detectors_is_confined_as_the_only_one_and_has_its_own_name_settings_and_folder():
    plain, template = (
        [line for line in unit.read_text().splitlines() if not line.startswith("#")] for unit in (PLAIN, TEMPLATE)
    )
    assert {old: new for old, new in zip(plain, template, strict=True) if old != new} == {
        "Description=Keyword detector": "Description=Keyword detector %i",
        ("ExecStart=/opt/keyword-detector/venv/bin/keyword-detector listen --config /etc/keyword-detector.toml"): (
            "ExecStart=/opt/keyword-detector/venv/bin/keyword-detector listen --name=%i "
            "--config /etc/keyword-detector/%i.toml"
        ),
        "StateDirectory=keyword-detector": "StateDirectory=keyword-detector-%i",
    }


@pytest.mark.parametrize("unit", [PLAIN, TEMPLATE])
def test_system_units_read_the_models_of_the_services_folder(unit):
    """A state folder of a dynamic user is a link into /var/lib/private, where each unit sees its own alone."""
    assert settings_of(unit)["DynamicUser"] == "yes"
    place = SERVICE_FOLDER.relative_to("/var/lib")
    assert settings_of(unit)["BindReadOnlyPaths"] == f"-/var/lib/private/{place}"
    assert place.parent.name == settings_of(PLAIN)["StateDirectory"]


def test_the_user_unit_reads_the_users_own_models():
    assert settings_of(UNITS[2])["ProtectHome"] == "read-only"


def test_what_each_unit_starts_is_a_command_line_that_can_be_parsed(unit):
    _, *arguments = settings_of(unit)["ExecStart"].replace("%i", "kitchen").split()
    options = vars(build_parser().parse_args(arguments))
    assert options["verb"] == "listen"
    assert options.get("name") == ("kitchen" if unit == TEMPLATE else None)


def test_the_settings_that_are_installed_fit():
    assert read_settings(SYSTEMD / "keyword-detector.toml", {}).model == "yes-no"

"""The unit files: hardened, and their two processes have opposite sandboxes."""

from __future__ import annotations

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).resolve().parents[2] / "systemd").glob("*.service"))


def settings(unit: Path) -> dict[str, str]:
    class Last(dict):
        """systemd lets a key stand several times."""

        def __setitem__(self, key, value):
            if key in self and isinstance(value, list) and isinstance(self[key], list):
                value = self[key] + value
            super().__setitem__(key, value)

    parser = configparser.RawConfigParser(strict=False, dict_type=Last)
    parser.optionxform = str
    parser.read(unit)
    return dict(parser["Service"])


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_unit_scores_ok_in_systemds_own_eyes(unit):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=16", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-300:]


def test_a_bare_unit_would_fail_that_test(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not here")
    bare = tmp_path / "bare.service"
    bare.write_text("[Service]\nExecStart=/bin/true\n")
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=16", str(bare)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0


def test_the_keeper_has_devices_and_no_internet_the_courier_the_other_way_round():
    keeper = (UNITS[0].parent / "slipkeeper.service").read_text()
    courier = (UNITS[0].parent / "slipkeeper-courier.service").read_text()
    assert "DeviceAllow=char-ttyUSB rw" in keeper
    assert "IPAddressDeny=any" in keeper
    assert "PrivateDevices=yes" in courier
    assert "DeviceAllow" not in courier


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_a_till_never_gives_up(unit):
    service = settings(unit)
    assert service["Restart"] == "always"
    assert service["LimitCORE"] == "0"  # a core file could hold what was never to be kept

"""A configuration is right, or every mistake in it is named at once with the way out."""

from __future__ import annotations

import contextlib
import dataclasses
import zoneinfo
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.config import PLACES, Config, Terminal, find, load, parse
from agent.config_example import example
from agent.errors import ConfigError, UsageError

GOOD = """
[shop]
name = "饺子馆"
timezone = "Asia/Shanghai"
[storage]
directory = "/var/lib/slipkeeper"
[[terminals]]
name = "counter-1"
driver = "slip-tap"
mode = "printer"
port = "tcp-listen://127.0.0.1:9100"
[[printers]]
name = "receipts"
port = "file:/dev/usb/lp0"
"""


def mistakes(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refusal:
        parse(text, "slipkeeper.toml")
    assert refusal.value.exit_code == 2
    assert str(len(refusal.value.mistakes)) in str(refusal.value)
    assert all(mistake in str(refusal.value) for mistake in refusal.value.mistakes)
    return refusal.value.mistakes


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_one():
    config = parse(GOOD)
    assert config.shop.zone == zoneinfo.ZoneInfo("Asia/Shanghai")
    assert config.day.starts_after == timedelta(hours=4)
    assert (config.state, config.socket) == (Path("/var/lib/slipkeeper"), Path("/var/lib/slipkeeper/desk.sock"))
    assert config.terminals[0].settings == {}
    assert config.printers[0].columns == 48


def test_nothing_at_all_is_fine():
    assert parse("") == Config()
    assert Config().shop.zone is None


# -- the shipped example ------------------------------------------------------------------------------------------


def test_the_shipped_example_is_what_the_dataclasses_say():
    assert Path("config.example.toml").read_text(encoding="utf-8") == example()


def test_the_example_is_a_good_configuration_of_defaults():
    config = parse(example())
    assert dataclasses.replace(config, terminals=(), printers=()) == Config()
    for terminal in config.terminals:
        defaults = {f.name: f.default for f in dataclasses.fields(Terminal) if f.default is not dataclasses.MISSING}
        assert {name: getattr(terminal, name) for name in defaults} == defaults


def sections(kind: type = Config) -> list[type]:
    found = [kind]
    for member in dataclasses.fields(kind):
        inner = __import__("typing").get_type_hints(kind)[member.name]
        inner = next(iter(getattr(inner, "__args__", [inner])), inner)
        if dataclasses.is_dataclass(inner):
            found += sections(inner)
    return found


def test_every_setting_is_explained():
    kinds = sections()
    assert len(kinds) == 7
    for kind in kinds[1:]:
        for member in dataclasses.fields(kind):
            assert len(member.metadata["help"]) > 10, f"{kind.__name__}.{member.name}"
            assert f"{member.name} = " in example(), f"{kind.__name__}.{member.name} is not in the example"


# -- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("[shp]", "shp: no such setting (did you mean shop?)"),
        ("[shop]\nlangauge = 'zh'", "shop.langauge: no such setting (did you mean language?)"),
        ("[shop]\nlanguage = 'fr'", "shop.language: 'fr' is neither zh nor en"),
        ("[shop]\ncurrency = 'RMB￥'", "shop.currency: 'RMB￥' is no ISO 4217 code"),
        ("[shop]\ntimezone = 'Asia/Shanghay'", "shop.timezone: unknown zone (did you mean Asia/Shanghai?)"),
        ("[shop]\ntimezone = '../../etc/passwd'", "shop.timezone: unknown zone"),
        ("[shop]\nname = 5", 'shop.name: expected a text in "quotes", found 5'),
        ("shop = 5", "shop: expected a table, found 5"),
        ("[day]\ncutoff = '24:00'", "day.cutoff: '24:00' is no time like \"04:00\""),
        ("[day]\ncutoff = '4:00'", "day.cutoff: '4:00' is no time like \"04:00\""),
        ("[day]\ncutoff = 04:00:00", 'day.cutoff: expected a text in "quotes", found datetime.time(4, 0)'),
        ("[day]\nprint_list = 1", "day.print_list: expected true or false, found 1"),
        ("[day]\nprinter = 'x'", "day.printer: there is no printer 'x'"),
        ("[storage]\ndirectory = 'state'", "storage.directory: 'state' is no absolute path"),
        ("[storage]\ndirectory = ''", "storage.directory: '' is no absolute path"),
        ("[storage]\nsocket = 'desk.sock'", "storage.socket: 'desk.sock' is no absolute path"),
        ("[upstream]\nurl = 'ftp://x'", "upstream.url: must begin with https:// (or http:// on this machine)"),
        ("[upstream]\nstart_window_s = -1", "upstream.start_window_s: is less than nothing"),
        ("[terminals]", "terminals: expected [[terminals]] tables, found {}"),
        (changed('"counter-1"', '""'), "terminals: '' is no name (1 to 64 signs, no blanks at its ends)"),
        (changed('"counter-1"', '"a\\u0007"'), "terminals: 'a\\x07' is no name (1 to 64 signs, no blanks at its ends)"),
        (changed('"slip-tap"', '"slip-tip"'), "terminals[0].driver: there is no driver slip-tip (did you mean slip-tap?)"),
        (changed('"slip-tap"', '"slip-tap"\nmodus = 1'), "terminals[0].modus: no such setting (did you mean mode?)"),
        (changed('"slip-tap"', '"slip-tap"\nsettings = 1'), "terminals[0].settings: expected a table, found 1"),
        (changed("file:/dev/usb/lp0", "lp0"), "printers[0].port: lp0 is no port"),
        (changed('"receipts"', '"receipts"\ncolumns = 200'), "printers[0].columns: 200 is not between 20 and 64"),
        (changed('"receipts"', '"receipts"\nlevel = 4'), "printers[0].level: 4 is not 0, 1, 2 or 3"),
        (changed('"receipts"', '"receipts"\ncharset = "utf-8"'), "printers[0].charset: 'utf-8' is none of"),
        (changed('"receipts"', '"receipts"\ndriver = "epson"'), "printers[0].driver: there is no driver epson"),
        (GOOD + '[[printers]]\nname = "receipts"\nport = "tcp://p:1"', "printers: the name 'receipts' stands twice"),
        (changed("file:/dev/usb/lp0", "serial:/dev/ttyS0") + '[[printers]]\nname = "b"\nport = "serial:/dev/ttyS0?baud=9600"',
         "the port serial:/dev/ttyS0 stands twice"),
        (f"[storage]\ndirectory = '/{'d' * 120}'", "storage.socket: /"),
    ],
)  # fmt: skip
def test_each_mistake(text: str, mistake: str):
    found = mistakes(text)
    assert len(found) == 1, found
    assert found[0].startswith(mistake)


def test_the_mode_a_driver_cannot():
    found = mistakes(changed('"printer"', '"ecr"'))
    assert any(one.startswith("terminals[0].mode: slip-tap cannot be 'ecr' (it can be: ") for one in found)


def test_a_proxy_needs_two_sides():
    found = mistakes(changed("slip-tap", "stx-bcdlen").replace('"printer"', '"proxy"'))
    assert found == ["terminals[0].till_port: missing, a proxy stands between two ports"]


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ("lenght = 'bcd'", "settings.lenght: no such setting (did you mean length?)"),
        ("length = 'hex'", "settings.length: 'hex' is none of bcd, be16"),
        ("ack = 1", "settings.ack: expected true or false, found 1"),
        ("length = [1]", "settings.length: [1] is none of bcd, be16"),
    ],
)
def test_what_a_driver_wants_to_know(settings: str, mistake: str):
    text = changed("slip-tap", "stx-bcdlen").replace('"printer"', '"tap"').replace(
        "[[printers]]", f"[terminals.settings]\n{settings}\n[[printers]]"
    )  # fmt: skip
    assert mistakes(text) == [f"terminals[0].{mistake}"]


def test_every_mistake_at_once():
    found = mistakes(
        """
        [shop]
        langauge = "zh"
        currency = "yuan"
        [day]
        cutoff = "25:00"
        printer = "nowhere"
        [[terminals]]
        name = "a"
        driver = "slip-tap"
        mode = "teapot"
        port = "COM3"
        [[terminals]]
        name = "a"
        mode = "printer"
        [[printers]]
        name = "p"
        port = "file:relative"
        colums = 48
        """
    )
    paths = {mistake.partition(":")[0] for mistake in found}
    assert paths == {
        "shop.langauge",
        "shop.currency",
        "day.cutoff",
        "day.printer",
        "terminals[0].port",
        "terminals[0].mode",
        "terminals[1].driver",
        "terminals[1].port",
        "printers[0].port",
        "printers[0].colums",
    }


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "a = ",
        "a = " + "[" * 5000,
        "a = " + "{ b = " * 3000,
        "[printers]\ncolumns = " + "9" * 5000,
        "[shop]\nname = 0x" + "f" * 9000,
        "[a]\n[a]",
        "\ud800",
        '[shop]\nname = "\\ud800"',
        "[" + "a." * 2000 + "a]",
        "shop = 1979-05-27T07:32:00Z",
        "shop = nan",
    ],
)
def test_hostile_texts(text: str):
    assert mistakes(text)


@given(st.text(max_size=200))
def test_any_text_is_a_configuration_or_mistakes(text: str):
    with contextlib.suppress(ConfigError):
        assert parse(text)


# -- files --------------------------------------------------------------------------------------------------------


def test_files(tmp_path: Path):
    path = tmp_path / "slipkeeper.toml"
    path.write_text(GOOD, encoding="utf-8-sig")  # as Windows saves it
    assert load(path).shop.name == "饺子馆"
    path.write_bytes(GOOD.encode("gbk"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load(path)
    for wrong in (tmp_path / "nowhere.toml", tmp_path):
        with pytest.raises(UsageError) as refusal:
            load(wrong)
        assert "slipkeeper config example" in refusal.value.hint


def test_where_it_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    assert find({"SLIPKEEPER_CONFIG": "/x.toml"}) == Path("/x.toml")
    assert find({}) == PLACES[-1]
    (tmp_path / "slipkeeper.toml").touch()
    assert find({}) == Path("slipkeeper.toml")

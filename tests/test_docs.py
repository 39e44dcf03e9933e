"""Docs are tests: what is generated is current, every command is documented and runs, every sentence is translated."""

from __future__ import annotations

import ast
import gettext
import re
import string
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from agent.cli import slipkeeper
from agent.config import Day, Printer, Shop, Storage, Terminal, Upstream

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    path
    for folder in ("agent", "drivers")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "simulators" not in path.parts and path.name != "desk_client.py" and "menu" not in path.parts
]
# Calls whose first (and second) argument is a sentence for a person: see agent.words and agent.errors.
SAYING = {"words": (0,), "_words": (0,), "msgid": (0,), "say": (0,), "_say": (0,), "Alarm": (1, 2), "Trouble": (0, 1)}
ERRORS = {
    *("Refused", "UsageError", "TryLater", "NoAnswer", "SlipkeeperError", "DamagedJournal", "NotRecorded"),
    *("HungUpError", "Unreachable", "_NotFound"),
}
SPOKEN_ENUMS = {"Why"}


def sentences(source: str) -> set[str]:
    """Message ids a file says to people."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ClassDef) and node.name in SPOKEN_ENUMS:
            found |= {
                str(line.value.value)
                for line in node.body
                if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant)
            }
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        for place in (0, 1) if name in ERRORS else SAYING.get(name, ()):
            if place < len(node.args):
                found |= _texts(node.args[place])
    return found - {""}


def _texts(node: ast.expr) -> set[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {node.value}
    return _texts(node.body) | _texts(node.orelse) if isinstance(node, ast.IfExp) else set()


ALL = sorted(set().union(*(sentences(path.read_text()) for path in SOURCES)))


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_the_extractor_sees_what_is_said():
    source = 'words("a" if x else "b")\nTryLater("c {d}", "e")\nAlarm("code", "f", "g", {})\nclass Why:\n    X = "h"\n'
    assert sentences(source) == {"a", "b", "c {d}", "e", "f", "g", "h"}
    assert len(ALL) > 150


def test_every_sentence_is_translated_with_the_same_places():
    catalogue = gettext.translation("slipkeeper", ROOT / "agent" / "locale", languages=["zh"])
    # commands and settings are the same in every language
    spoken = [text for text in ALL if not re.fullmatch(r"slipkeeper [a-z -]+|\w+ = .*", text)]
    assert [text for text in spoken if catalogue.gettext(text) == text] == []
    assert [text for text in ALL if places(catalogue.gettext(text)) != places(text)] == []


def test_the_compiled_catalogue_is_current(tmp_path):
    """The .mo that ships is what pybabel makes of the .po."""
    made = tmp_path / "slipkeeper.mo"
    folder = ROOT / "agent" / "locale" / "zh" / "LC_MESSAGES"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "babel.messages.frontend",
            "compile",
            "-i",
            folder / "slipkeeper.po",
            "-o",
            made,
            "-l",
            "zh",
        ],
        check=True,
        capture_output=True,
    )
    assert made.read_bytes() == (folder / "slipkeeper.mo").read_bytes()


def test_generated_files_are_current():
    done = subprocess.run(
        [sys.executable, ROOT / "docs" / "make.py", "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def readme_commands() -> list[str]:
    blocks = re.findall(r"```(?:sh|shell|console)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    lines = [line.partition("#")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("slipkeeper ")]


def test_the_readme_names_the_two_commands_first():
    text = (ROOT / "README.md").read_text()
    assert 0 <= text.index("make run") < text.index("make test") < text.index("slipkeeper ")


@pytest.mark.parametrize("line", readme_commands())
def test_readme_commands_exist(line):
    """Each command of the README is one the tool has: its words up to the first option answer --help."""
    words = []
    for word in line.split()[1:]:
        if word.startswith("-") or not re.fullmatch(r"[a-z][a-z-]*", word):
            break
        words.append(word)
    while words:
        result = CliRunner().invoke(slipkeeper, [*words, "--help"])
        if result.exit_code == 0:
            return
        words.pop()  # an argument of the command (a name, a word to search for)
    pytest.fail(f"no such command: {line}")


def test_every_command_a_hint_names_exists():
    """A hint is the next thing to do; it must be there to be done."""
    said = [*ALL, *(path.read_text() for path in (ROOT / "config.example.toml", ROOT / "docs" / "decisions.md"))]
    said += [
        str(member.metadata)
        for section in (Shop, Storage, Day, Terminal, Printer, Upstream)
        for member in fields(section)
    ]
    named = {tuple(words.split()) for text in said for words in re.findall(r"slipkeeper ((?:[a-z]+ ?){1,2})", text)}
    assert len(named) > 10
    assert [words for words in sorted(named) if not _is_command(words)] == []


def _is_command(words: tuple[str, ...]) -> bool:
    """Whether the first word is a command, and the second one of its own where it has any."""
    context = click.Context(slipkeeper)
    command = slipkeeper.get_command(context, words[0])
    if isinstance(command, click.Group) and len(words) > 1 and not command.invoke_without_command:
        return words[1] in command.list_commands(context)
    return command is not None


def test_a_command_that_is_not_there_would_be_noticed():
    assert not _is_command(("no", "such"))
    assert not _is_command(("journal", "repair"))


def test_the_map_of_the_readme_names_what_is_there():
    text = (ROOT / "README.md").read_text()
    for folder in ("agent", "drivers", "upstream", "systemd", "tests", "benchmarks", "docs"):
        assert f"{folder}/" in text
        assert (ROOT / folder).is_dir()

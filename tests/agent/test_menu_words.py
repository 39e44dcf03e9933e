"""Every sentence of the menu exists in Chinese, with the same places; no sentence is put together behind gettext's back."""

from __future__ import annotations

import ast
import gettext
import string
from pathlib import Path

import pytest

import agent
from agent.words import Words

ROOT = Path(agent.__file__).parent
SOURCES = [*sorted((ROOT / "menu").rglob("*.py")), ROOT / "desk_client.py"]
ERRORS = {"Refused", "UsageError", "TryLater", "NoAnswer"}


def said_in(source: str) -> tuple[set[str], list[int]]:
    """Message ids a file uses, and the lines where one is computed instead of written down."""
    found: set[str] = set()
    computed: list[int] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        texts = node.args[:1] if name in ("words", "_words", "msgid") else node.args[:2] if name in ERRORS else []
        for text in texts:
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                found.add(text.value)
            elif isinstance(text, (ast.JoinedStr, ast.BinOp, ast.IfExp)):
                computed.append(node.lineno)
    return found - {""}, computed


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


ALL = sorted(set().union(*(said_in(path.read_text())[0] for path in SOURCES)))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_sentences_are_written_down_not_computed(path):
    assert said_in(path.read_text())[1] == []


def test_the_extractor_finds_sentences_and_computed_ones():
    found, computed = said_in('words("a {b}", b=1)\nself.words("c")\nmsgid("d")\nwords(f"e{f}")\nTryLater("g", "h")\n')
    assert found == {"a {b}", "c", "d", "g", "h"}
    assert computed == [4]


def test_the_menu_says_something():
    assert len(ALL) > 100


def test_every_sentence_is_translated_with_the_same_places():
    catalogue = gettext.translation("slipkeeper", ROOT / "locale", languages=["zh"])
    missing = [text for text in ALL if catalogue.gettext(text) == text]
    assert missing == []
    torn = [text for text in ALL if places(catalogue.gettext(text)) != places(text)]
    assert torn == []


def test_a_missing_sentence_would_be_noticed():
    catalogue = gettext.translation("slipkeeper", ROOT / "locale", languages=["zh"])
    assert catalogue.gettext("a sentence nobody translated") == "a sentence nobody translated"


def test_chinese_is_what_the_words_say():
    assert Words("zh")("Reprint last") == "重打印上一笔"
    assert Words("en")("Reprint last") == "Reprint last"

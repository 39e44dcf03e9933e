"""What a person reads is always a sentence, never an exception, in the language asked for."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import Refused, TryLater
from agent.words import LANGUAGES, Words, language_of


@pytest.mark.parametrize("language", [*LANGUAGES, "fr", "", "zh_CN"])
def test_places_are_filled_in_every_language(language: str):
    words = Words(language)
    assert words.language in LANGUAGES
    assert "counter-1" in words("there is no printer {name}", name="counter-1")
    assert words("a sentence nobody translated {n}", n=5) == "a sentence nobody translated 5"


def test_chinese_is_chinese():
    said = Words("zh").error(TryLater("there is no journal at {path}", "slipkeeper run starts one", path="/x"))
    assert "/x" in said[0]
    assert any("\u4e00" <= sign <= "\u9fff" for sign in said[0])


def test_the_empty_message_is_no_catalogue_header():
    assert Words("zh")("") == ""
    assert Words("zh").error(Refused("no")) == (Words("zh")("no"), "")


@pytest.mark.parametrize("text", ["{nowhere}", "{", "}", "{0}", "{a.b}", "{a[k]}", "100 %s", "{a!x}", "{a:d}"])
def test_odd_words_from_elsewhere_are_shown_as_they_are(text: str):
    assert Words("en")(text, a="x") == text


@given(
    st.text(max_size=40), st.dictionaries(st.text(string.ascii_lowercase, min_size=1), st.text(max_size=5), max_size=3)
)
def test_no_text_and_no_values_raise(text: str, values: dict[str, str]):
    for language in LANGUAGES:
        assert isinstance(Words(language)(text, **values), str)


@pytest.mark.parametrize("name", ["self", "message", "text"])
def test_values_may_have_any_name(name: str):
    assert Words("en")(f"<{{{name}}}>", **{name: "v"}) == "<v>"


@pytest.mark.parametrize(
    ("environment", "configured", "language"),
    [
        ({}, "", "en"),
        ({"LANG": "zh_CN.UTF-8"}, "", "zh"),
        ({"LANG": "zh_CN.UTF-8"}, "en", "en"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "", "en"),
        ({"LANG": "C", "LC_MESSAGES": "zh_TW"}, "", "zh"),
        ({"SLIPKEEPER_LANG": "en", "LANG": "zh_CN"}, "zh", "en"),
        ({"SLIPKEEPER_LANG": "ZH"}, "en", "zh"),
        ({"SLIPKEEPER_LANG": ""}, "zh", "zh"),
        ({"LANG": "de_DE"}, "", "en"),
    ],
)
def test_whose_language(environment: dict[str, str], configured: str, language: str):
    assert language_of(environment, configured) == language

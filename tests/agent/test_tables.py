"""Tables into dataclasses: every mistake at once, each with its path and the nearest name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.tables import build, said


def told(text: str, **extra: Any) -> Any:
    return field(metadata={"help": text}, **extra)


@dataclass(frozen=True, slots=True)
class Wheel:
    size: int = told("in inches")
    flat: bool = told("is it?", default=False)


@dataclass(frozen=True, slots=True)
class Car:
    name: str = told("what you call it")
    doors: int = told("how many", default=4)
    spare: Wheel = told("in the boot", default=Wheel(15))  # noqa: RUF009 - as agent.config does
    wheels: tuple[Wheel, ...] = told("all of them", default=())
    notes: Mapping[str, Any] = told("anything", default_factory=dict)


def built(data: Any) -> tuple[Any, list[str]]:
    mistakes: list[str] = []
    return build(Car, data, "", mistakes), mistakes


def test_a_whole_table():
    car, mistakes = built(
        {"name": "K", "doors": 2, "spare": {"size": 14}, "wheels": [{"size": 1, "flat": True}], "notes": {"a": [1]}}
    )
    assert mistakes == []
    assert car == Car("K", 2, Wheel(14), (Wheel(1, True),), {"a": [1]})
    with pytest.raises(TypeError):
        car.notes["b"] = 1


def test_defaults():
    assert built({"name": "K"}) == (Car("K"), [])


@pytest.mark.parametrize(
    ("data", "mistakes"),
    [
        ({}, ["name: missing (what you call it)"]),
        ({"name": "K", "dors": 2}, ["dors: no such setting (did you mean doors?)"]),
        ({"name": "K", "xyz": 2}, ["xyz: no such setting (known: name, doors, spare, wheels, notes)"]),
        ({"name": 5}, ['name: expected a text in "quotes", found 5']),
        ({"name": "K", "doors": True}, ["doors: expected a whole number, found True"]),
        ({"name": "K", "doors": 2.0}, ["doors: expected a whole number, found 2.0"]),
        ({"name": "K", "spare": 3}, ["spare: expected a table, found 3"]),
        ({"name": "K", "spare": {}}, ["spare.size: missing (in inches)"]),
        ({"name": "K", "wheels": {}}, ["wheels: expected [[wheels]] tables, found {}"]),
        ({"name": "K", "wheels": [3]}, ["wheels[0]: expected a table, found 3"]),
        ({"name": "K", "wheels": [{"size": 1, "flt": 1}]}, ["wheels[0].flt: no such setting (did you mean flat?)"]),
        ({"name": "K", "notes": 1}, ["notes: expected a table, found 1"]),
        ([], ["the file: expected a table, found []"]),
    ],
)
def test_mistakes(data: Any, mistakes: list[str]):
    assert built(data)[1] == mistakes


def test_all_at_once():
    _, mistakes = built({"nam": 1, "doors": "2", "spare": {"flat": 3}, "wheels": [{"sise": 1}, 7]})
    assert [mistake.partition(":")[0] for mistake in mistakes] == [
        "nam",
        "name",
        "doors",
        "spare.size",
        "spare.flat",
        "wheels[0].sise",
        "wheels[0].size",
        "wheels[1]",
    ]


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "doors", "spare", "wheels", "size", "flat", "notes", "x"]), inner)
    ),
    max_leaves=10,
)


@given(values)
def test_anything_is_a_car_or_a_list_of_mistakes(data: Any):
    car, mistakes = built(data)
    assert car is not None or mistakes
    if not mistakes:
        assert type(car.doors) is int


@pytest.mark.parametrize(("value", "shown"), [("x", "'x'"), ("x" * 50, "str"), ([1] * 50, "list"), (True, "True")])
def test_how_a_value_is_shown(value: Any, shown: str):
    assert said(value) == shown


def test_a_number_without_end_is_shown_as_a_number():
    assert said(16**9000) == "int"

"""The desk's OpenAPI file names every route there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import agent.counter

DESCRIPTION = yaml.safe_load((Path(__file__).resolve().parents[2] / "docs" / "desk.openapi.yaml").read_text())


def routes() -> set[tuple[str, str]]:
    source = Path(agent.counter.__file__).read_text()
    return set(re.findall(r'\("(GET|POST)", "(/v1/[^"]+)"', source))


def test_every_route_is_described_and_every_description_is_a_route():
    described = {
        (method.upper(), path)
        for path, item in DESCRIPTION["paths"].items()
        for method in item
        if method in {"get", "post"}
    }
    assert described == routes()
    assert len(described) > 20


def test_path_parameters_are_declared():
    for path, item in DESCRIPTION["paths"].items():
        wanted = set(re.findall(r"\{(\w+)\}", path))
        declared = {p.get("name") or p["$ref"].rpartition("/")[2] for p in item.get("parameters", [])}
        assert declared == wanted, path

"""The description says what the server does: every path exists, every answer has the described members and no others."""

from __future__ import annotations

import hashlib
import re
import uuid

import pytest
import requests
import yaml

from tests.upstream.running import REPOSITORY
from upstream.receiving.problems import Code

DESCRIPTION = yaml.safe_load((REPOSITORY / "upstream/openapi.yaml").read_text())
SCHEMAS = DESCRIPTION["components"]["schemas"]


def resolve(schema):
    while "$ref" in schema:
        node = DESCRIPTION
        for step in schema["$ref"].removeprefix("#/").split("/"):
            node = node[step]
        schema = node
    return schema


def check(value, schema, where="answer"):
    """As much of JSON Schema as the description uses."""
    schema = resolve(schema)
    if "allOf" in schema:
        merged = {"type": "object", "required": [], "properties": {}}
        for part in map(resolve, schema["allOf"]):
            merged["required"] += part["required"]
            merged["properties"] |= part["properties"]
        schema = merged
    if "enum" in schema:
        assert value in schema["enum"], where
    if "const" in schema:
        assert value == schema["const"], where
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "boolean": bool}
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]]), where
    if "pattern" in schema:
        assert re.search(schema["pattern"], value), (where, value)
    if schema.get("type") == "object" and "properties" in schema:
        assert set(schema.get("required", ())) <= set(value) <= set(schema["properties"]), where
        for name, member in value.items():
            check(member, schema["properties"][name], f"{where}.{name}")
    if schema.get("type") == "array":
        assert len(value) <= schema.get("maxItems", len(value)), where
        for item in value:
            check(item, schema.get("items", {}), f"{where}[]")


def described(path: str, method: str, answer: requests.Response) -> None:
    responses = DESCRIPTION["paths"][path][method]["responses"]
    assert str(answer.status_code) in responses, (path, answer.status_code)
    content = resolve(responses[str(answer.status_code)])["content"]
    kind = answer.headers["Content-Type"].split(";")[0]
    check(answer.json(), content[kind]["schema"], f"{method} {path} {answer.status_code}")


def test_every_described_path_exists_and_takes_just_its_methods(server, client):
    box = client(server)
    for path, methods in DESCRIPTION["paths"].items():
        url = server.url + path.replace("{journal_id}", box.journal.journal_id).replace("{sha256}", "0" * 64)
        allowed = {name.upper() for name in methods if name != "parameters"}
        for method in ("GET", "POST", "PUT", "PATCH"):
            status = box.session.request(method, url, timeout=5).status_code
            assert (status != 405) is (method in allowed), (path, method, status)
            assert status != 404, path


def test_every_path_of_the_server_is_described():
    source = (REPOSITORY / "upstream/urls.py").read_text()
    names = set(re.findall(r"views\.(\w+)", source)) - {"nowhere"}
    operations = {
        operation["operationId"]
        for path in DESCRIPTION["paths"].values()
        for name, operation in path.items()
        if name != "parameters"
    }
    assert operations == names


def test_answers_are_as_described(server, client):
    box = client(server, enrolled=False)
    request_id = uuid.uuid4().hex
    code = server.code()
    described("/v1/enroll", "post", box.enroll("nonsense"))
    described("/v1/enroll", "post", box.enroll(code, request_id=request_id))
    described("/v1/enroll", "post", box.enroll(server.code()))
    described("/v1/enroll", "post", box.session.post(server.url + "/v1/enroll", json={}, timeout=5))
    journal = "/v1/journals/{journal_id}"
    described(journal, "get", box.where())
    described(f"{journal}/entries", "post", box.send(1, 4))
    described(f"{journal}/entries", "post", box.send(1, 4))
    described(f"{journal}/entries", "post", box.send(9, 9))
    described(f"{journal}/entries", "post", box.send(5, 5, Journal_Head="0" * 64))
    described(f"{journal}/entries", "post", box.send(5, 5, Content_Type="text/plain"))
    described(f"{journal}/status", "post", box.status(cursor=4, head=box.journal.head(4).hex(), seq=9))
    described(f"{journal}/status", "post", box.status(cursor=4, head="0" * 64, seq=9))
    blob = hashlib.sha256(b"x").hexdigest()
    for _ in range(2):
        described(f"{journal}/blobs/{{sha256}}", "put", box.put_blob(blob, b"x"))
    described(f"{journal}/blobs/{{sha256}}", "put", box.put_blob(blob, b"y"))
    described("/v1/token/rotate", "post", box.rotate())
    box.token = "tj_x_y"
    described(journal, "get", box.where())
    for path in ("/healthz", "/readyz"):
        described(path, "get", requests.get(server.url + path, timeout=5))


def test_the_codes_are_the_servers():
    assert set(SCHEMAS["Problem"]["properties"]["code"]["enum"]) == {code.wire for code in Code}


def test_the_check_can_fail():
    with pytest.raises(AssertionError):
        check({"ok": True, "more": 1}, SCHEMAS["Ok"])
    with pytest.raises(AssertionError):
        check({}, SCHEMAS["Ok"])
    with pytest.raises(AssertionError):
        check("x", SCHEMAS["Hash"])

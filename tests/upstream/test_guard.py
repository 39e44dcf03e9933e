"""Card numbers, in every spelling JSON has, are masked on arrival; hashes and everything else are left alone."""

from __future__ import annotations

import hashlib
import json
import random
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.entries import canonical, line_digest
from agent.pan import luhn, mask
from tests.upstream.box import Journal
from upstream.receiving.guard import guard_blob, guard_json, guard_line, guard_text

PAN = "4111111111111111"
MASKED = "411111******1111"


@pytest.mark.parametrize(
    "line",
    [
        f'{{"body":{{"rrn":"{PAN}"}}}}',
        f'{{"body":{{"text":"card\\n{PAN}\\nend"}}}}',
        f'{{"{PAN}":1}}',
        f'{{"body":{{"x":[[{PAN}]]}}}}',
        f'{{"body":{{"x":{PAN}.0}}}}',
        '{"x":4.111111111111111e15}',
        '{"x":"\\u0034111111111111111"}',
        '{"x":"\\u0034\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031\\u0031"}',
        f'{{"x":NaN,"y":"{PAN}"}}',
        f'{{"x":"\\ud800","y":"{PAN}"}}',
        '{"x":' + "[" * 2000 + f'"{PAN}"' + "]" * 2000 + "}",
        '{"x":' + "[" * 2000 + '"\\u0034111111111111111"' + "]" * 2000 + "}",
        f'{{"x":{"9" * 5000},"y":"{PAN}"}}',
        '{"x":"4111 1111 1111 1111","y":"４１１１１１１１１１１１１１１１"}',
        f"no json {PAN}",
    ],
)
def test_every_spelling_is_found(line):
    kept, masked = guard_line(line.encode())
    assert masked
    assert PAN not in kept.decode()
    assert "４１１１１１１１１１１１１１１１" not in kept.decode()
    assert "4111 1111 1111 1111" not in kept.decode()
    again = guard_line(kept)
    assert again == (kept, False)


def test_ordinary_lines_are_left_alone():
    """Of 700 lines with salts, digests and boot ids none is touched; a plain search would flag some of the hashes."""
    dice = random.Random(5)
    flagged = 0
    for _number in range(700):
        body = {
            "raw_sha256": dice.randbytes(32).hex(),
            "head": dice.randbytes(32).hex(),
            "job": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        }
        line = canonical(
            {
                "salt": dice.randbytes(16).hex(),
                "boot": dice.randbytes(16).hex(),
                "key": "sha256:" + dice.randbytes(32).hex(),
                "body": body,
            }
        )
        assert guard_line(line) == (line, False)
        flagged += mask(line.decode()) != line.decode()
    assert flagged  # else this test shows nothing


def test_a_hash_is_no_hiding_place():
    assert guard_text(PAN * 2) == PAN * 2  # 32 digits are no hash and no card number
    assert guard_text(f"x {PAN} {'ab' * 16}") == f"x {MASKED} {'ab' * 16}"


@settings(max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_guarding_twice_is_guarding_once(value):
    once = guard_json(value)
    assert guard_json(once) == once


@settings(max_examples=40)
@given(st.integers(10**13, 10**14 - 1), st.sampled_from(["{}", " {} ", "No {}", "{}\\n", "卡号：{}"]))
def test_any_card_number_in_any_text_is_masked(middle, around):
    digits = next(f"4{middle}{check}" for check in range(10) if luhn(f"4{middle}{check}"))
    line = f'{{"text":"{around.format(digits)}"}}'.encode()
    kept, masked = guard_line(line)
    assert masked
    assert digits.encode() not in kept
    assert json.loads(kept)


def test_blobs_keep_their_length():
    data = b"\x1b@" + PAN.encode() + b"\x1d\x56\x00"
    kept, masked = guard_blob(data)
    assert (masked, len(kept)) == (True, len(data))
    assert PAN.encode() not in kept
    assert guard_blob(b"\x1b@nothing") == (b"\x1b@nothing", False)


@pytest.mark.parametrize("where", ["body", "key", "kind"])
def test_a_card_number_never_reaches_the_file(server, client, where):
    journal = Journal(f"pan-{where}-{server.dsn}")
    line = json.loads(journal.line(2))
    if where == "body":
        line["body"]["rrn"] = PAN
    else:
        line[where] = PAN
    poison = canonical(line)
    box = client(server, Journal(journal.seed, odd={2: poison}))
    told = box.send(1, 3)
    assert told.status_code == 200
    assert {"seq": 2, "code": "card_number"} in told.json()["quarantined"]
    # The chain still runs over what was sent, and later entries follow it.
    assert told.json()["head"] == box.journal.head(3).hex()
    assert box.send(2, 4).json()["stored"] == 1
    row = server.rows(
        "SELECT redacted, digest, body FROM entry WHERE journal_id = ? AND seq = 2", box.journal.journal_id
    )[0]
    assert (row[0], bytes(row[1])) == (2 if where == "kind" else 1, line_digest(poison))
    assert PAN not in row[2]
    assert MASKED in row[2]
    assert server.rows("SELECT code, seq FROM alarm WHERE journal_id = ?", box.journal.journal_id) == [("pan", 2)]
    if not server.dsn:
        for file in [*server.data.iterdir(), server.data.with_name("data.log")]:
            assert PAN.encode() not in file.read_bytes(), file
    if where != "kind":
        return  # one look at the chain is enough, at the case where most of a line is gone
    whole = server.run("verify", "--json").stdout
    proof = next(one for one in json.loads(whole)["journals"] if one["journal_id"] == box.journal.journal_id)
    assert (proof["whole"], proof["redacted"]) == (True, 1)


def test_evidence_and_heartbeats_are_masked_too(server, client):
    box = client(server)
    box.send(1, 3)
    line = json.loads(box.journal.line(3))
    line["body"]["text"] = f"card {PAN}"
    clone = client(server, Journal(box.journal.seed, odd={3: canonical(line)}), enrolled=False)
    clone.token = box.token
    assert clone.send(3, 3).json()["code"] == "fork"
    assert PAN not in server.rows("SELECT body FROM evidence WHERE journal_id = ?", box.journal.journal_id)[0][0]
    box.status(cursor=3, head=box.journal.head(3).hex(), seq=3, note=f"card {PAN}")
    assert MASKED in server.rows("SELECT status FROM journal WHERE journal_id = ?", box.journal.journal_id)[0][0]


def test_blobs_by_http(server, client):
    box = client(server)
    body = "签购单\x1b@".encode("gb18030") * 50
    name = hashlib.sha256(body).hexdigest()
    assert (box.put_blob(name, body).status_code, box.put_blob(name, body).status_code) == (201, 200)
    rows = server.rows("SELECT body, redacted FROM blob WHERE journal_id = ?", box.journal.journal_id)
    assert [(bytes(kept), redacted) for kept, redacted in rows] == [(body, 0)]
    assert box.put_blob(name, body + b"x").json()["code"] == "digest_mismatch"
    assert box.put_blob("x" * 64, body).status_code == 404
    assert box.put_blob(hashlib.sha256(b"").hexdigest(), b"x" * (4 * 1024 * 1024 + 1)).status_code == 413
    card = f"card {PAN} end".encode()
    assert box.put_blob(hashlib.sha256(card).hexdigest(), card).json()["stored"] is True
    rows = server.rows("SELECT body FROM blob WHERE journal_id = ? AND redacted = 1", box.journal.journal_id)
    assert bytes(rows[0][0]) == f"card {MASKED} end".encode()
    other = client(server)
    other.token, box.token = box.token, other.token
    assert other.put_blob(name, body).status_code == 403

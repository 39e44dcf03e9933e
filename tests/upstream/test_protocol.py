"""The contract of the sync protocol, by real HTTP against a real process, on SQLite and PostgreSQL.

I1 … I10 are the invariants of the protocol: 200 means committed, cursors never go back, bytes are kept, one content a
number, no holes, no poison, re-sending changes nothing, no clock decides, nothing is deleted, nothing commands.
"""

from __future__ import annotations

import gzip
import hashlib
import random
import re
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.entries import canonical, parse
from tests.upstream.box import Client, Journal


def test_entries_are_stored_as_they_were_written(server, client):  # I1, I3, I5
    box = client(server)
    answer = box.send(1, 50)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["cursor"], told["stored"], told["duplicates"]) == (50, 50, 0)
    assert told["durable"] == 50
    assert told["head"] == box.journal.head(50).hex()
    assert told["quarantined"] == []
    assert told["commands"] == []  # I10
    assert told["next"] == {"after_s": 0, "linger_s": 2, "max_entries": 500, "max_bytes": 524288}
    assert server.stored(box.journal.journal_id) == box.journal.lines(1, 50)
    where = box.where().json()
    assert (where["cursor"], where["head"], where["state"]) == (50, told["head"], "active")


def test_an_empty_journal_stands_at_its_genesis(server, client):
    box = client(server)
    told = box.where().json()
    assert (told["cursor"], told["head"]) == (0, box.journal.head(0).hex())
    assert told["limits"]["max_entries"] == 500
    assert told["upstream"]["epoch"] == 1
    assert told["server_time"].endswith("Z")


def test_connections_are_kept(server, client):
    box = client(server)
    box.send(1, 1)
    assert box.send(2, 2).headers.get("Connection", "keep-alive").lower() != "close"


@pytest.mark.parametrize("compressed", [True, False])
def test_resending_changes_nothing(server, client, compressed):  # I7
    box = client(server)
    box.send(1, 20)
    for first, last in ((1, 20), (1, 5), (7, 7), (20, 20)):
        told = box.send(first, last, compressed=compressed).json()
        assert (told["cursor"], told["stored"], told["duplicates"]) == (20, 0, last - first + 1)
    assert server.stored(box.journal.journal_id) == box.journal.lines(1, 20)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.tuples(st.integers(1, 30), st.integers(0, 12)), min_size=1, max_size=8))
def test_any_batching_gives_the_same_journal(server, client, cuts):  # I5, I7
    box = client(server)
    cursor = 0
    for first, length in [*cuts, (1, 30)]:
        answer = box.send(first, first + length)
        if first > cursor + 1:
            assert answer.json()["code"] == "gap"
            continue
        new = max(first + length - cursor, 0)
        assert answer.json()["stored"] == new
        cursor += new
        assert answer.json()["cursor"] == cursor  # I2
    assert server.stored(box.journal.journal_id) == box.journal.lines(1, cursor)


def test_fifty_identical_batches_at_once_are_stored_once(server, client):  # I7
    box = client(server)
    box.journal.head(30)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: box.send(1, 30).json(), range(50)))
    assert sorted(answer["stored"] for answer in answers) == [0] * 49 + [30]
    assert {answer["cursor"] for answer in answers} == {30}
    assert server.stored(box.journal.journal_id) == box.journal.lines(1, 30)


def test_overlapping_batches_at_once_make_no_hole_and_no_double(server, client):  # I5, I7
    box = client(server)
    box.journal.head(80)
    dice = random.Random(7)
    batches = [(first, min(first + dice.randint(0, 20), 80)) for first in (dice.randint(1, 60) for _ in range(80))]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda batch: box.send(*batch), batches))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} <= {"gap"}
    cursor = box.where().json()["cursor"]
    assert sum(answer.json().get("stored", 0) for answer in answers) == cursor
    assert server.stored(box.journal.journal_id) == box.journal.lines(1, cursor)


def test_a_gap_is_answered_with_where_to_go_on(server, client):
    box = client(server)
    box.send(1, 5)
    answer = box.send(8, 9)
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    told = answer.json()
    assert (told["code"], told["cursor"], told["head"]) == ("gap", 5, box.journal.head(5).hex())
    assert server.rows("SELECT code, seq, count FROM alarm WHERE journal_id = ?", box.journal.journal_id) == [
        ("gap", 7, 1)
    ]
    assert box.send(6, 9).json()["stored"] == 4


@pytest.mark.parametrize(("first", "last"), [(21, 25), (15, 25), (1, 25), (15, 18), (16, 20)])
def test_other_content_under_held_numbers_is_a_fork(server, client, first, last):  # I4
    box = client(server)
    box.send(1, 20)
    clone = client(server, Journal(box.journal.seed, salted="x", fork_from=15), enrolled=False)
    clone.token = box.token
    answer = clone.send(first, last)
    told = answer.json()
    assert (answer.status_code, told["code"], told["cursor"]) == (409, "fork", 20)
    assert told["head"] == box.journal.head(20).hex()
    assert server.stored(box.journal.journal_id) == box.journal.lines(1, 20)
    evidence = server.rows("SELECT first_seq, body FROM evidence WHERE journal_id = ?", box.journal.journal_id)
    assert evidence == [(first, b"\n".join(clone.journal.lines(first, last)).decode())]
    assert server.rows("SELECT code FROM alarm WHERE journal_id = ?", box.journal.journal_id) == [("fork",)]
    assert box.where().json()["state"] == "forked"
    # The one that continues what we hold is not the fork: its money must not wait.
    assert box.send(21, 22).json()["stored"] == 2
    assert clone.send(first, last).json()["code"] == "fork"


def test_a_closed_journal_takes_nothing(server, client):
    box = client(server)
    box.send(1, 3)
    server.write("UPDATE journal SET state = 'closed' WHERE journal_id = ?", box.journal.journal_id)
    assert box.send(4, 4).json()["code"] == "closed"
    assert len(server.stored(box.journal.journal_id)) == 3


# Lines that parse as JSON and make no sense otherwise; each is (line, kind, at) with {seq} to fill in.
POISON = {
    "unreadable": b'{"v":1,"seq":2,"kind":"transaction","at":"2026-10-03T08:00:00.000Z"}',
    "unreadable body": b'{"v":1,"seq":2,"kind":"transaction","at":"x","source":"a","key":"k","day":"d","body":[]}',
    "nul": b'{"v":1,"seq":2,"kind":"trans\\u0000action","at":"\\u0000","source":"\\u0000","key":"k","day":"\\u0000","body":{"rrn":"\\u0000"}}',
    "surrogate": b'{"v":1,"seq":2,"kind":"notice","at":"x","source":"\\ud800","key":"k","day":"d","body":{"text":"\\udfff"}}',
    "deep": b'{"v":1,"seq":2,"kind":"notice","at":"x","source":"a","key":"k","day":"d","body":{"x":'
    + b"[" * 300
    + b"]" * 300
    + b"}}",
    "long number": b'{"v":1,"seq":2,"kind":"transaction","at":"x","source":"a","key":"k","day":"d","body":{"amount_minor":'
    + b"9" * 5000
    + b"}}",
    "not a number": b'{"v":1,"seq":2,"kind":"transaction","at":"x","source":"a","key":"k","day":"d","body":{"amount_minor":NaN}}',
}
_MARKS = {"nul": ("trans\0action", "\0"), "surrogate": ("notice", "x"), "deep": ("notice", "x")}


@pytest.mark.parametrize("name", POISON)
def test_no_content_stops_what_comes_behind(server, client, name):  # I6
    mark = _MARKS.get(name, ("transaction", "2026-10-03T08:00:00.000Z" if name == "unreadable" else "x"))
    box = client(server, odd={2: POISON[name]}, odd_marks={2: mark})
    answer = box.send(1, 3)
    assert answer.status_code == 200, answer.text
    assert [odd["seq"] for odd in answer.json()["quarantined"]] == [2]
    assert box.send(4, 5).json()["cursor"] == 5
    assert server.stored(box.journal.journal_id) == box.journal.lines(1, 5)  # I3: as it came
    assert server.rows("SELECT seq FROM quarantine WHERE journal_id = ?", box.journal.journal_id) == [(2,)]
    trades = server.rows("SELECT count(*) FROM ledger_transaction WHERE journal_id = ?", box.journal.journal_id)
    assert trades[0][0] >= 4


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        ({"amount_minor": -1, "currency": "CNY"}, "transaction", "bad_amount"),
        ({"amount_minor": "12.50", "currency": "CNY"}, "transaction", "bad_amount"),
        ({"amount_minor": 1250}, "transaction", "bad_amount"),
        ({"outcome": "perhaps"}, "transaction", "bad_field"),
        ({}, "from_the_future", "unknown_kind"),
    ],
)
def test_odd_content_is_stored_and_quarantined(server, client, body, kind, code):
    box = client(server, bodies={2: body}, kinds={2: kind})
    told = box.send(1, 3).json()
    assert told["quarantined"] == [{"seq": 2, "code": code}]
    assert told["cursor"] == 3
    assert len(server.stored(box.journal.journal_id)) == 3


def test_a_purged_entry_travels_as_its_stand_in(server, client):
    whole = Journal("purged")
    entry = seal_of(whole, 2)
    stand_in = canonical(
        {"v": 1, "seq": 2, "kind": entry.kind, "at": entry.at, "purged": True, "digest": entry.digest.hex()}
    )
    box = client(server, Journal("purged", odd={2: stand_in}))
    told = box.send(1, 3).json()
    assert told["head"] == whole.head(3).hex()
    assert told["quarantined"] == []
    # The full line of the same entry is the same entry.
    client(server, enrolled=False)
    other = Client(server.url, Journal("purged"))
    other.token = box.token
    assert other.send(1, 3).json()["duplicates"] == 3
    other.close()


def seal_of(journal: Journal, seq: int):
    return parse(journal.line(seq))


def peak_kib(server) -> int:
    """The most memory the server ever had (VmHWM)."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1))


def test_a_zip_bomb_is_too_large(server, client):
    box = client(server)
    bomb = zlib.compressobj(9, wbits=31)
    body = b"".join([bomb.compress(b" " * 10_000_000) for _ in range(12)]) + bomb.flush()
    assert len(body) < 200_000
    before = peak_kib(server)
    answer = box.send_raw(1, 1, body)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert peak_kib(server) - before < 64 * 1024  # it was never unpacked
    assert box.send(1, 1).status_code == 200


def test_bodies_and_lines_have_limits(server, client):
    box = client(
        server, odd={1: b'{"seq":1,"kind":"x","at":"x","pad":"' + b"x" * 33_000 + b'"}'}, odd_marks={1: ("x", "x")}
    )
    answer = box.send(1, 1)
    assert (answer.status_code, answer.json()["seq"]) == (413, 1)
    assert box.send_raw(1, 1, b"x" * (8 * 1024 * 1024 + 1), compressed=False).json()["code"] == "too_large"
    assert box.send_raw(1, 1, gzip.compress(b"{}\n" * 5001)).json()["code"] == "too_large"


TORN = {
    "cut gzip": lambda body: gzip.compress(body)[:-9],
    "no gzip": lambda body: body,
    "flipped bit": lambda body: gzip.compress(body)[:-6] + b"\0\0" + gzip.compress(body)[-4:],
    "rubbish behind": lambda body: gzip.compress(body) + b"more",
    "empty": lambda body: gzip.compress(b""),
    "empty line": lambda body: gzip.compress(body.replace(b"\n", b"\n\n", 1)),
    "missing line": lambda body: gzip.compress(body.split(b"\n", 1)[1]),
    "cut line": lambda body: gzip.compress(body[:-10]),
    "no object": lambda body: gzip.compress(b"[1]\n" + body.split(b"\n", 1)[1]),
    "not UTF-8": lambda body: gzip.compress(body.replace(b"CNY", b"C\xffY", 1)),
    "changed": lambda body: gzip.compress(body.replace(b"CNY", b"EUR", 1)),
    "reordered": lambda body: gzip.compress(b"\n".join(reversed(body.split(b"\n")))),
}


@pytest.mark.parametrize("name", TORN)
def test_what_is_not_what_was_sent_is_400(server, client, name):
    box = client(server)
    body = b"".join(line + b"\n" for line in box.journal.lines(1, 4))
    answer = box.send_raw(1, 4, TORN[name](body))
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in {"torn", "framing", "head_mismatch"}
    assert server.stored(box.journal.journal_id) == []
    assert box.send(1, 4).json()["stored"] == 4


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Journal_Head": "0" * 64}, 400),
        ({"Journal_Prev": "0" * 63}, 400),
        ({"Journal_Prev": "A" * 64}, 400),
        ({"Journal_From": "0"}, 400),
        ({"Journal_From": "-1"}, 400),
        ({"Journal_From": "١"}, 400),
        ({"Journal_From": "9223372036854775807"}, 400),
        ({"Journal_Backlog": "many"}, 400),
        ({"Content_Type": "text/plain"}, 415),
        ({"Content_Encoding": "br"}, 415),
    ],
)
def test_headers_are_held_to_their_shape(server, client, headers, status):
    box = client(server)
    headers = {name: value.encode() for name, value in headers.items()}
    assert box.send(1, 2, **headers).status_code == status


def test_who_may_send(server, client):
    box, other = client(server), client(server)
    box.send(1, 3)
    for token in ("", "tj_", "tj_x_y", box.token[:-1] + ("0" if box.token[-1] != "0" else "1"), "tj_" + "é" * 9):
        thief = Client(server.url, box.journal)
        thief.token = token
        answer = thief.session.get(
            f"{server.url}/v1/journals/{box.journal.journal_id}", headers={"Authorization": f"Bearer {token}".encode()}
        )
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        thief.close()
    other_token, other.token = other.token, box.token  # a right token for another journal
    assert (other.send(1, 1).status_code, other.where().json()["code"]) == (403, "other_journal")
    other.token = other_token
    assert other.send(1, 1).status_code == 200


def test_only_hashes_of_secrets_are_kept(server, client):
    box = client(server)
    _, token_id, secret = box.token.split("_")
    assert len(secret) * 4 == 256
    row = server.rows("SELECT secret_sha256 FROM token WHERE token_id = ?", token_id)
    assert bytes(row[0][0]) == hashlib.sha256(secret.encode()).digest()


def test_heartbeats_tell_and_are_told(server, client):
    box = client(server)
    box.send(1, 5, Journal_Backlog="7")
    assert server.rows("SELECT backlog FROM journal WHERE journal_id = ?", box.journal.journal_id) == [(7,)]
    told = box.status(cursor=5, head=box.journal.head(5).hex(), seq=9, oldest_unsent_s=12, agent_version="0.2").json()
    assert (told["cursor"], told["head"], told["stored"]) == (5, box.journal.head(5).hex(), 0)
    assert server.rows("SELECT backlog, agent_version FROM journal WHERE journal_id = ?", box.journal.journal_id) == [
        (4, "0.2")
    ]
    # It thinks we hold more: we lost data, the answer shows where to go on.
    assert box.status(cursor=8, head=box.journal.head(8).hex(), seq=9).json()["cursor"] == 5
    # It remembers another hash: its journal and ours differ.
    assert box.status(cursor=4, head="0" * 64, seq=9).json()["code"] == "fork"
    assert box.status(cursor="4").status_code == 400
    assert box.status(cursor=4, head="x").status_code == 400


def test_nothing_else_is_here(server, client):
    box = client(server)
    base = f"{server.url}/v1/journals/{box.journal.journal_id}"
    assert box.session.delete(base).status_code == 405
    assert box.session.get(f"{base}/entries").json()["code"] == "method"
    assert box.session.get(f"{server.url}/v1/journals/../../etc/passwd").status_code == 404
    assert box.session.get(f"{server.url}/v1/nothing").json()["code"] == "not_found"


def test_probes(server):
    for path in ("/healthz", "/readyz"):
        assert requests.get(server.url + path, timeout=5).json() == {"ok": True}

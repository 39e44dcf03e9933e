"""Codes become tokens once; a cloned box is noticed; a lost answer locks nobody out."""

from __future__ import annotations

import uuid

import pytest

from tests.upstream.box import Client, Journal


def test_a_code_works_once(server, client):
    box, late = client(server, enrolled=False), client(server, enrolled=False)
    code = server.code()
    told = box.enroll(code)
    assert told.status_code == 201
    members = told.json()
    assert members["token"].startswith("tj_")
    assert (members["site_id"], members["label"], members["base_url"], members["config"]) == ("main", "box", "", {})
    assert (members["cursor"], members["head"]) == (0, box.journal.head(0).hex())
    assert (late.enroll(code).status_code, late.enroll(code).json()["code"]) == (410, "code_used")
    assert box.send(1, 3).status_code == 200


def test_codes_are_read_kindly_and_expire(server, client):
    code = server.code()
    spelt = f" {code[:4].lower()}-{code[4:]} ".replace("0", "o").replace("1", "l")
    assert client(server, enrolled=False).enroll(spelt).status_code == 201
    assert client(server, enrolled=False).enroll(server.code(life_s=-1)).json()["code"] == "code_used"


def test_a_journal_enrols_again_only_with_a_code_of_its_own(server, client):
    box = client(server)
    box.send(1, 3)
    clone = Client(server.url, box.journal)
    assert (clone.enroll(server.code()).status_code, clone.enroll(server.code()).json()["code"]) == (409, "enrolled")
    alarms = server.rows("SELECT code, count FROM alarm WHERE journal_id = ?", box.journal.journal_id)
    assert alarms == [("clone", 2)]
    # The operator allows it: same journal, same cursor, the old token is dead.
    told = clone.enroll(server.code(journal=box.journal.journal_id))
    assert (told.status_code, told.json()["cursor"]) == (201, 3)
    assert clone.send(4, 4).status_code == 200
    assert box.send(5, 5).status_code == 401
    # That code is for that journal only.
    other = client(server, enrolled=False)
    assert other.enroll(server.code(journal=box.journal.journal_id)).status_code == 409
    clone.close()


def test_a_refused_box_does_not_use_the_code_up(server, client):
    box, new = client(server), client(server, enrolled=False)
    code = server.code()
    assert box.enroll(code).status_code == 409
    assert new.enroll(code).status_code == 201


def test_asking_again_after_a_lost_answer(server, client):
    box, stranger = client(server, enrolled=False), client(server, enrolled=False)
    code, request_id = server.code(), uuid.uuid4().hex
    first = box.enroll(code, request_id=request_id).json()["token"]
    assert box.enroll(code, request_id=request_id).status_code == 201
    assert box.token != first
    assert box.enroll(code, request_id=uuid.uuid4().hex).status_code == 410
    assert box.enroll(code).status_code == 410
    assert stranger.enroll(code, request_id=request_id).status_code == 410
    assert box.send(1, 2).status_code == 200
    assert box.enroll(code, request_id=request_id).status_code == 410  # it has its token


def test_a_journal_follows_another_by_its_token(server, client):
    old = client(server)
    old.send(1, 7)
    new = client(server, Journal(old.journal.seed + "-2", parent_head=old.journal.head(7)), enrolled=False)
    parent = {"journal_id": old.journal.journal_id, "seq": 7, "head": old.journal.head(7).hex()}
    asked = {"journal_id": new.journal.journal_id, "parent": parent}
    url = f"{server.url}/v1/enroll"
    assert new.session.post(url, json=asked).status_code == 401
    bearer = {"Authorization": f"Bearer {old.token}"}
    other = client(server)
    assert new.session.post(url, json=asked, headers={"Authorization": f"Bearer {other.token}"}).status_code == 403
    told = new.session.post(url, json=asked, headers=bearer)
    assert told.status_code == 201
    assert told.json()["head"] == new.journal.head(0).hex()  # its chain begins at the parent's head
    new.token = new.session.post(url, json=asked, headers=bearer).json()["token"]  # the first answer was lost
    assert new.send(1, 4).json()["stored"] == 4
    assert old.send(8, 8).status_code == 200
    assert new.session.post(url, json=asked, headers=bearer).status_code == 409
    alarms = server.rows("SELECT code FROM alarm WHERE journal_id = ?", old.journal.journal_id)
    assert alarms == [("successor",)]


def test_successors_are_bounded(server, client):
    old = client(server)
    parent = {"journal_id": old.journal.journal_id, "seq": 0, "head": old.journal.head(0).hex()}
    answers = [
        old.session.post(
            f"{server.url}/v1/enroll",
            json={"journal_id": str(uuid.uuid4()), "parent": parent},
            headers={"Authorization": f"Bearer {old.token}"},
        )
        for _ in range(11)
    ]
    assert [answer.status_code for answer in answers] == [201] * 10 + [429]
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_rotating_keeps_the_old_token_for_a_day(server, client):
    box = client(server)
    old = box.token
    new = box.rotate().json()["token"]
    assert new != old
    assert box.send(1, 1).status_code == 200
    box.token = new
    assert box.send(2, 2).status_code == 200
    server.write("UPDATE token SET expires_at = '2020-01-01T00:00:00.000Z' WHERE token_id = ?", old.split("_")[1])
    box.token = old
    assert box.send(3, 3).status_code == 401


@pytest.mark.parametrize(
    "asked",
    [
        b"",
        b"[]",
        b'{"code":"X"}',
        b'{"code":"X","journal_id":"no uuid"}',
        b'{"code":"X","journal_id":"' + b"A" * 8 + b'-0000-4000-8000-000000000000"}',
        b"[" * 40_000,
        b'{"code":"X","journal_id":"00000000-0000-4000-8000-000000000000","parent":7}',
        b'{"code":"X","journal_id":"00000000-0000-4000-8000-000000000000","parent":{"seq":1}}',
        b'{"code":"X","journal_id":"00000000-0000-4000-8000-000000000000","request_id":"short"}',
        b"\xff",
        b'{"code":"X","journal_id":"00000000-0000-4000-8000-000000000000","parent":{"journal_id":'
        b'"00000000-0000-4000-8000-000000000000","head":"' + b"0" * 64 + b'","seq":99999999999999999999}}',
    ],
)
def test_nonsense_is_answered_calmly(server, client, asked):
    box = client(server, enrolled=False)
    answer = box.session.post(f"{server.url}/v1/enroll", data=asked)
    assert (answer.status_code, answer.json()["code"]) == (400, "framing")


def test_a_code_that_looks_like_a_card_number_is_a_code(server, client):
    code = server.code("4111111111111111" if server.dsn else "5555555555554444")
    assert client(server, enrolled=False).enroll(code).status_code == 201


def test_a_code_nobody_can_spell(server, client):
    asked = b'{"code":"\\ud800","journal_id":"00000000-0000-4000-8000-000000000000","host":"\\u0000\\ud800"}'
    assert client(server, enrolled=False).session.post(f"{server.url}/v1/enroll", data=asked).status_code == 401


def test_guessing_codes_is_slowed(new_server, client):
    running = new_server()
    box = client(running, enrolled=False)
    answers = [box.enroll(f"WRONG{number:05}") for number in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 900
    assert box.enroll(running.first_code).status_code == 429  # even the right one has to wait

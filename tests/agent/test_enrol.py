"""How a box becomes known upstream, and where its token lies."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent import enrol
from agent.config import Config, Storage, Upstream
from agent.courier import client_of, unencrypted
from agent.enrol import Enrolment
from agent.errors import Refused, SlipkeeperError, TryLater, UsageError
from agent.journal import Journal
from agent.succession import put_aside
from agent.sync_state import asked_at
from tests.fakes.courier import new_journal, sale
from tests.fakes.upstream import FakeUpstream, Seen


@pytest.fixture
def upstream() -> Iterator[FakeUpstream]:
    with FakeUpstream() as served:
        yield served


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    made = new_journal(tmp_path)
    yield made
    made.close()


def config_of(state: Path, url: str = "") -> Config:
    return Config(storage=Storage(directory=str(state)), upstream=Upstream(url=url))


def told(seen: Seen) -> dict[str, object]:
    return dict(json.loads(seen.body))


def test_a_code_becomes_a_token(tmp_path: Path, upstream: FakeUpstream, journal: Journal) -> None:
    before = asked_at(tmp_path)
    made = enrol.enrol(config_of(tmp_path), upstream.url + "/", " CODE-1 ")
    assert upstream.tokens[made.token] == journal.head.journal_id
    assert (made.base_url, made.site_id, made.terminal_label) == (upstream.url, "shop", "counter 1")
    assert enrol.load(tmp_path, journal.head.journal_id) == made
    assert asked_at(tmp_path) != before  # the courier goes on at once
    asked = told(upstream.seen[0])
    assert asked["code"] == "CODE-1"
    assert asked["host"]
    assert "authorization" not in upstream.seen[0].headers


def test_the_token_is_the_owners_alone_and_stands_nowhere_else(
    tmp_path: Path, upstream: FakeUpstream, journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    made = enrol.enrol(config_of(tmp_path), upstream.url, "CODE-1")
    path = enrol.path_of(tmp_path, journal.head.journal_id)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    holders = [file for file in tmp_path.rglob("*") if file.is_file() and made.token.encode() in file.read_bytes()]
    assert holders == [path]
    assert made.token not in repr(made)
    assert made.token not in caplog.text
    assert list(path.parent.glob("*.asked")) == []


def test_a_lost_answer_is_asked_again_with_the_same_id(
    tmp_path: Path, upstream: FakeUpstream, journal: Journal
) -> None:
    upstream.faults.append("lost")
    with pytest.raises(TryLater) as raised:
        enrol.enrol(config_of(tmp_path), upstream.url, "CODE-1")
    assert "same code" in raised.value.hint
    made = enrol.enrol(config_of(tmp_path), upstream.url, "CODE-1")
    assert upstream.tokens[made.token] == journal.head.journal_id
    ids = [told(seen)["request_id"] for seen in upstream.seen]
    assert ids[0] == ids[1]
    assert len(str(ids[0])) >= 16


def test_another_code_is_another_question(tmp_path: Path, upstream: FakeUpstream, journal: Journal) -> None:
    upstream.faults.append("reset")
    with pytest.raises(TryLater):
        enrol.enrol(config_of(tmp_path), upstream.url, "CODE-1")
    enrol.enrol(config_of(tmp_path), upstream.url, "CODE-2")
    first, second = (told(seen)["request_id"] for seen in upstream.seen)
    assert first != second


@pytest.mark.parametrize(
    ("code", "fault", "error", "words"),
    [
        ("CODE-9", "", Refused, "does not know this code"),
        ("CODE-1", "portal", Refused, "not how upstream answers"),
        ("CODE-1", "not-json", Refused, "not how upstream answers"),
        ("CODE-1", "empty", Refused, "not how upstream answers"),
        ("CODE-1", "login", Refused, "not how upstream answers"),
        ("CODE-1", "503", TryLater, "cannot answer now"),
        ("CODE-1", "429", TryLater, "cannot answer now"),
        ("CODE-1", "reset", TryLater, "broke"),
        ("CODE-1", "huge", TryLater, "too long"),
        ("CODE-1", "elsewhere", TryLater, "host"),
        (" ", "", UsageError, "empty"),
    ],
)
def test_a_no_is_said_in_words_and_leaves_nothing_behind(
    tmp_path: Path,
    upstream: FakeUpstream,
    journal: Journal,
    code: str,
    fault: str,
    error: type[SlipkeeperError],
    words: str,
) -> None:
    upstream.faults.extend([fault] if fault else [])
    with pytest.raises(error) as raised:
        enrol.enrol(config_of(tmp_path), upstream.url, code)
    assert words in str(raised.value)
    assert raised.value.hint
    assert enrol.load(tmp_path, journal.head.journal_id) is None


def test_a_used_code_is_refused(tmp_path: Path, upstream: FakeUpstream, journal: Journal) -> None:
    upstream.codes["CODE-1"] = "somebody else"
    with pytest.raises(Refused, match="used or is too old"):
        enrol.enrol(config_of(tmp_path), upstream.url, "CODE-1")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "upstream",
        "ftp://a",
        "https://",
        "https://u:p@a",
        "https://a?x=1",
        "https://a#x",
        "http://a:b",
        "https://[::1",
    ],
)
def test_an_address_that_is_none_is_said_before_anything_is_sent(tmp_path: Path, journal: Journal, url: str) -> None:
    with pytest.raises(UsageError):
        enrol.enrol(config_of(tmp_path), url, "CODE-1")


def test_without_a_journal_there_is_nothing_to_enrol(tmp_path: Path, upstream: FakeUpstream) -> None:
    with pytest.raises(TryLater):
        enrol.enrol(config_of(tmp_path), upstream.url, "CODE-1")
    assert upstream.seen == []


def test_an_address_given_at_enrolment_is_used_when_it_works(
    tmp_path: Path, upstream: FakeUpstream, journal: Journal
) -> None:
    upstream.base_url = f"http://localhost:{upstream.port}"
    assert enrol.enrol(config_of(tmp_path), upstream.url, "CODE-1").base_url == upstream.base_url
    upstream.base_url = "http://127.0.0.1:9"  # right only where upstream itself stands
    upstream.codes["CODE-2"] = ""
    assert enrol.enrol(config_of(tmp_path), upstream.url, "CODE-2").base_url == upstream.url


def test_where_to_send_after_upstream_moved() -> None:
    made = Enrolment("j", "https://typed.example", "https://cell.example", "t")
    assert made.url("") == "https://cell.example"
    assert made.url("https://typed.example") == "https://cell.example"
    assert made.url("https://moved.example") == "https://moved.example"
    client = client_of(made, config_of(Path("x"), "https://moved.example"))
    assert client.base_url == "https://moved.example"


def test_the_journal_before_is_enrolled_first_so_that_it_is_sent_too(
    tmp_path: Path, upstream: FakeUpstream, journal: Journal
) -> None:
    journal.append([sale()])
    head = journal.head
    journal.close()
    put_aside(tmp_path)
    follower = new_journal(tmp_path, parent=head)
    assert enrol.enrol(config_of(tmp_path), upstream.url, "CODE-1").journal_id == head.journal_id
    again = enrol.enrol(config_of(tmp_path), upstream.url, "CODE-2")
    assert again.journal_id == follower.head.journal_id
    assert told(upstream.seen[-1])["parent"] == {"journal_id": head.journal_id, "seq": 1, "head": head.hash.hex()}
    follower.close()


def test_an_unreadable_token_is_not_taken_for_none(tmp_path: Path) -> None:
    made = Enrolment("j", "https://a", "https://a", "t")
    enrol.save(tmp_path, made)
    assert enrol.load(tmp_path, "j") == made
    enrol.save(tmp_path, replace(made, token="t2"))
    assert enrol.load(tmp_path, "j") == replace(made, token="t2")
    enrol.path_of(tmp_path, "j").write_text("{}")
    with pytest.raises(TryLater):
        enrol.load(tmp_path, "j")


@pytest.mark.parametrize(
    ("url", "clear"),
    [
        ("https://a", False),
        ("http://127.0.0.1:8000", False),
        ("http://localhost", False),
        ("http://192.168.1.2", True),
        ("", False),
    ],
)
def test_an_open_line_is_known(url: str, clear: bool) -> None:
    assert unencrypted(url) is clear

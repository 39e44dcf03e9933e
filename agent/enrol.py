"""How a box becomes known upstream: a one-time code, or the token of the journal before, becomes a token.

The token is a secret. It lies in a file of its own, readable by the courier's user alone, one per journal and named by
it; never in the configuration, in sync.db, in a log or on a command line. Beside it stand the addresses it may be shown
to. Losing the answer of upstream costs nothing: the request carries an id that is kept, so it can be asked again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from agent import __version__
from agent.config import Config
from agent.errors import Refused, SlipkeeperError, TryLater, UsageError
from agent.journal import FILE, Reader
from agent.succession import current_path
from agent.sync_answers import Claim, NotNow, Postponed, Reply, Trouble, Unreachable, judge, members_of
from agent.sync_client import Client
from agent.sync_state import ask_now, directory

_AGAIN: Final = "make a code upstream, then: slipkeeper enroll URL CODE"
_NOT_NOW: Final = frozenset({429, 500, 502, 503, 504})
_JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a journal needs to be sent: `asked_url` is what was typed, `base_url` what upstream gave instead."""

    journal_id: str
    asked_url: str
    base_url: str
    token: str
    site_id: str = ""
    terminal_label: str = ""

    def __repr__(self) -> str:  # a token never stands in a log or a traceback
        return f"Enrolment({self.journal_id}, {self.base_url})"

    def url(self, configured: str) -> str:
        """Where to send. A configured address that is neither of ours wins: upstream has moved."""
        return configured if configured and configured not in {self.asked_url, self.base_url} else self.base_url


@dataclass(frozen=True, slots=True)
class Asking:
    """The journal that asks, as upstream wants to hear it; the parent decides the first hash of its chain."""

    journal_id: str
    parent: dict[str, Any]

    @classmethod
    def of(cls, reader: Reader) -> Asking:
        meta = reader.meta()
        if "base" not in meta:
            raise TryLater("the journal is just being made", "try again in a second")
        parent: dict[str, Any] = {}
        if meta["parent_id"]:
            parent = {
                "journal_id": meta["parent_id"],
                "seq": int(meta["parent_seq"]),
                "head": meta["parent_head"],
            }
        return cls(meta["journal_id"], parent)

    def body(self, **more: str) -> bytes:
        told = {"journal_id": self.journal_id, "host": socket.gethostname(), "agent_version": __version__, **more}
        return json.dumps(told | ({"parent": self.parent} if self.parent else {})).encode()


def enrol(
    config: Config, url: str, code: str, *, new_id: Callable[[], str] = lambda: secrets.token_hex(16)
) -> Enrolment:
    """Turns a one-time code into a token for the journal of this box, and keeps it.

    Raises UsageError, Refused (upstream says no) or TryLater (no journal yet, no answer): then the same call may be
    made again, with the same code.
    """
    url = checked(url)
    asking = _next(config.state)
    if not code.strip():
        raise UsageError("the code is empty", _AGAIN)
    request_id = _request_id(config.state, asking.journal_id, code, new_id)
    client = Client(url, "", config.upstream)
    try:
        reply = client.call("POST", "/v1/enroll", _JSON, asking.body(code=code.strip(), request_id=request_id)).reply
    except Unreachable as error:
        raise TryLater(error.what, "check the address, then run it again with the same code", **error.values) from error
    finally:
        client.close()
    enrolment = _read(reply, asking.journal_id, url) or _refuse(reply)
    if not _answers(enrolment, config):
        enrolment = replace(enrolment, base_url=url)  # an address that only works where upstream itself stands
    save(config.state, enrolment)
    _asked_path(config.state, asking.journal_id).unlink(missing_ok=True)
    ask_now(config.state)
    return enrolment


def _next(state: Path) -> Asking:
    """The journal to enrol: the oldest without a token, because those behind it follow by themselves; else this one."""
    for path in sorted(state.glob(f"former/*/{FILE}")):
        with contextlib.suppress(SlipkeeperError):  # one that cannot be read is not sent either
            asking = _asking(path)
            if load(state, asking.journal_id) is None:
                return asking
    return _asking(current_path(state))


def _asking(path: Path) -> Asking:
    with contextlib.closing(Reader(path)) as reader:
        return Asking.of(reader)


def succeed(asking: Asking, parent: Enrolment, client: Client) -> Enrolment:
    """The enrolment of a journal that follows `parent`, which `client` speaks for. Raises Postponed."""
    reply = client.call("POST", "/v1/enroll", _JSON, asking.body()).reply
    enrolment = _read(reply, asking.journal_id, parent.asked_url)
    if enrolment is None:
        raise Postponed(
            NotNow(
                Trouble(
                    "upstream does not take the new journal of this box (answer {status})",
                    _AGAIN,
                    "" if reply.status in _NOT_NOW else "sync_not_enrolled",
                    {"status": str(reply.status)},
                ),
                slow=reply.status not in _NOT_NOW,
            )
        )
    return enrolment


def _read(reply: Reply, journal_id: str, url: str) -> Enrolment | None:
    members = members_of(reply.content)
    token, base_url = members.get("token"), members.get("base_url")
    if reply.status not in {200, 201} or not (isinstance(token, str) and token.isascii() and token.isprintable()):
        return None
    try:
        base_url = checked(base_url) if isinstance(base_url, str) and base_url else url
    except UsageError:
        return None
    if urlsplit(url).scheme == "https" and urlsplit(base_url).scheme != "https":
        base_url = url  # a token never moves to a line that can be listened to
    return Enrolment(
        journal_id, url, base_url, token, str(members.get("site_id", ""))[:100], str(members.get("label", ""))[:100]
    )


def _answers(enrolment: Enrolment, config: Config) -> bool:
    """Whether upstream is where it says it is."""
    if enrolment.base_url == enrolment.asked_url:
        return True
    client = Client(enrolment.base_url, enrolment.token, config.upstream)
    try:
        return isinstance(judge(client.call("GET", f"/v1/journals/{enrolment.journal_id}").reply), Claim)
    except Unreachable:
        return False
    finally:
        client.close()


def _refuse(reply: Reply) -> Enrolment:
    """Never returns: says why upstream said no."""
    code = str(members_of(reply.content).get("code", ""))
    if code == "code_unknown":
        raise Refused("upstream does not know this code", "look at it again; codes live a quarter of an hour")
    if code == "code_used":
        raise Refused("this code was used or is too old", _AGAIN)
    if code == "enrolled":
        raise Refused(
            "upstream knows this journal already: two boxes with one journal are a cloned disk",
            "if this is the same box, have a code made for this very journal",
        )
    if reply.status in _NOT_NOW:
        raise TryLater("upstream cannot answer now ({status})", "run it again in a while", status=reply.status)
    raise Refused(
        "this is not how upstream answers (status {status})",
        "check the address: slipkeeper upstream serve prints it",
        status=reply.status,
    )


def checked(url: str) -> str:
    """The address without a slash behind. Raises UsageError unless it is http(s)://host…, without a password in it."""
    url = url.strip().rstrip("/")
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound or parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("{url} is no address of an upstream", "it looks like https://slips.example.com", url=url)
    return url


# --- the file --------------------------------------------------------------------------------------------------------


def path_of(state: Path, journal_id: str) -> Path:
    return directory(state) / f"{journal_id}.token"


def load(state: Path, journal_id: str) -> Enrolment | None:
    """The enrolment of a journal, None when it has none. Raises TryLater when it is there and cannot be read."""
    path = path_of(state, journal_id)
    try:
        return Enrolment(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as cause:
        raise TryLater("{path} cannot be read: {cause}", _AGAIN, path=str(path), cause=type(cause).__name__) from cause


def save(state: Path, enrolment: Enrolment) -> None:
    """Durably, in one step, for the owner of the state directory alone (the command line may be root)."""
    _write(state, path_of(state, enrolment.journal_id), json.dumps(asdict(enrolment)))


def _write(state: Path, path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(handle)
    if os.geteuid() == 0:
        owner = state.stat()
        os.chown(fresh, owner.st_uid, owner.st_gid)
        os.chown(path.parent, owner.st_uid, owner.st_gid)
    fresh.rename(path)
    parent = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)


def _asked_path(state: Path, journal_id: str) -> Path:
    return directory(state) / f"{journal_id}.asked"


def _request_id(state: Path, journal_id: str, code: str, new_id: Callable[[], str]) -> str:
    """The id this code was asked with before, if its answer was lost; else a new one, kept until it is answered."""
    path = _asked_path(state, journal_id)
    mark = hashlib.sha256(code.strip().encode()).hexdigest()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        asked = json.loads(path.read_text())
        if asked["code"] == mark:
            return str(asked["request_id"])
    request_id = new_id()
    _write(state, path, json.dumps({"code": mark, "request_id": request_id}))
    return request_id

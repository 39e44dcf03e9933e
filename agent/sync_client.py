"""HTTP to upstream: bounded in time, in size and in where it goes. Nothing here retries or knows the protocol.

`requests` alone would wait for ever, follow a redirect with our token to any host, unpack any answer into memory and
listen to whatever proxy the environment names. Importing this costs nothing: requests comes with the first call.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from agent import __version__
from agent.config import Upstream
from agent.sync_answers import Reply, Trouble, Unreachable

if TYPE_CHECKING:
    import requests

TIMEOUTS_S: Final = (5.0, 30.0)  # connect, each wait for bytes
_WHOLE_ANSWER_S: Final = 120.0  # a server that drips is not waited for
_ANSWER_LIMIT: Final = 1 << 20
_HOPS: Final = 3
_PIECE: Final = 16 * 1024
_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply and how long it took: half of that is how much `server_time` may be off."""

    reply: Reply
    took_s: float


def new_session() -> requests.Session:
    """A session that keeps nothing but its connection: no .netrc, no cookies, no proxy nobody here has set."""
    from http import cookiejar  # noqa: PLC0415 - comes with requests

    import requests  # noqa: PLC0415 - 100 ms and 10 MiB that only a courier with something to send pays

    class Plain(requests.Session):
        def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - requests' words
            """None: else requests reads the whole body of a redirect, however long, before we can refuse it."""
            return None

    session = Plain()
    session.trust_env = False
    session.cookies.set_policy(cookiejar.DefaultCookiePolicy(allowed_domains=[]))
    return session


class Client:
    """One session with one upstream. `hosts` are the origins a 307 or 308 may lead to, besides the own one."""

    def __init__(
        self,
        base_url: str,
        token: str,
        settings: Upstream,
        *,
        hosts: tuple[str, ...] = (),
        session: Callable[[], requests.Session] = new_session,
        timeouts_s: tuple[float, float] = TIMEOUTS_S,
        mono_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._origins = frozenset(map(origin, (base_url, *hosts)))
        self._token = token
        self._settings = settings
        self._new_session = session
        self._session: requests.Session | None = None
        self._timeouts_s = timeouts_s
        self._mono_s = mono_s

    def call(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
        """The answer, whatever its status. Raises Unreachable when there is none."""
        began_s = self._mono_s()
        url = self.base_url + path
        for _ in range(_HOPS):
            reply = self._ask(method, url, headers or {}, body, began_s)
            if reply.status not in {307, 308}:
                return Answer(reply, self._mono_s() - began_s)
            url = _joined(url, reply.headers.get("location", ""))
            if origin(url) not in self._origins:
                raise Unreachable(Trouble("upstream sends us to a host we were not enrolled with"))
        raise Unreachable(Trouble("upstream sends us in a circle"))

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes, began_s: float) -> Reply:
        with self._told():
            answer = self._open().request(
                method,
                url,
                headers={**headers, **self._own_headers()},
                data=body,
                timeout=self._timeouts_s,
                allow_redirects=False,
                stream=True,
            )
            with contextlib.closing(answer):
                content = self._read(answer, began_s)
                names = {name.lower(): value for name, value in answer.headers.items()}
                return Reply(answer.status_code, names, content)

    def _read(self, answer: requests.Response, began_s: float) -> bytes:
        """The body as it stands on the wire: we asked for no compression, so there is nothing to unpack."""
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            raise Unreachable(Trouble("the answer is compressed, though nobody asked for that"))
        content = b""
        read = getattr(answer.raw, "read1", answer.raw.read)  # read1 (urllib3 2) returns what is there: a drip shows
        while piece := read(_PIECE, decode_content=False):
            content += piece
            if len(content) > _ANSWER_LIMIT:
                raise Unreachable(Trouble("the answer is too long to be upstream's"))
            if self._mono_s() - began_s > _WHOLE_ANSWER_S:
                raise Unreachable(Trouble("the answer takes too long"))
        return content

    def _own_headers(self) -> dict[str, str]:
        named = {"User-Agent": f"slipkeeper/{__version__}", "Accept-Encoding": "identity"}
        return named | ({"Authorization": f"Bearer {self._token}"} if self._token else {})

    def _open(self) -> requests.Session:
        if self._session is None:
            session = self._new_session()
            session.verify = self._settings.ca_file or True
            if self._settings.proxy:
                session.proxies = {"http": self._settings.proxy, "https": self._settings.proxy}
            self._session = session
        return self._session

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """The library's exceptions in our words. The connection they happened on is never used again."""
        import requests  # noqa: PLC0415 - as above
        import urllib3  # noqa: PLC0415 - comes with it

        try:
            yield
        except Unreachable:
            self.close()
            raise
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as cause:
            self.close()
            raise Unreachable(_why(cause)) from cause


def _joined(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return ""


def origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port: what a token may be shown to. ("", "", 0) when the URL has none."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme, 0)
    except ValueError:
        return "", "", 0


def _why(cause: BaseException) -> Trouble:
    """One sentence a shopkeeper can act on; the library's own text follows in brackets for whoever helps."""
    names = {type(link).__name__ for link in _causes(cause)}
    text = str(_root(cause))[:160].replace("{", "(").replace("}", ")")
    values = {"cause": text}
    if names & {"SSLError", "SSLCertVerificationError"}:
        return Trouble(
            "upstream's certificate is not accepted ({cause})",
            "check the clock of this box, and ca_file under [upstream]",
            "sync_tls",
            values,
        )
    if "NameResolutionError" in names or "gaierror" in names:
        return Trouble("upstream's name cannot be resolved ({cause})", "check the network and url", values=values)
    if names & {"InvalidURL", "InvalidSchema", "MissingSchema", "InvalidProxyURL", "LocationParseError"}:
        return Trouble("upstream's address cannot be used ({cause})", "check url and proxy", "sync_unknown", values)
    if names & {"ConnectTimeout", "ReadTimeout", "ConnectTimeoutError", "ReadTimeoutError", "TimeoutError"}:
        return Trouble("upstream does not answer in time ({cause})", "nothing to do: it is tried again", values=values)
    if "ConnectionRefusedError" in names:
        return Trouble("nobody answers at upstream's address ({cause})", "is upstream running?", values=values)
    return Trouble("the connection to upstream broke ({cause})", "nothing to do: it is tried again", values=values)


def _causes(cause: BaseException | None) -> Iterator[BaseException]:
    seen: list[Any] = []
    while cause is not None and cause not in seen:
        seen.append(cause)
        yield cause
        inner = getattr(cause, "reason", None) or next((a for a in cause.args if isinstance(a, BaseException)), None)
        cause = inner if isinstance(inner, BaseException) else cause.__cause__ or cause.__context__


def _root(cause: BaseException) -> BaseException:
    *_, last = _causes(cause)
    return last

"""HTTP to upstream over real sockets: time-outs, sizes, redirects, certificates, proxies."""

from __future__ import annotations

import http.server
import ipaddress
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.config import Upstream
from agent.sync_answers import Unreachable
from agent.sync_client import Client, origin

QUICK = (1.0, 0.3)
Answerer = Callable[[http.server.BaseHTTPRequestHandler], None]


class Server:
    """Answers with whatever the test says; keeps what was asked."""

    def __init__(self, answer: Answerer, context: ssl.SSLContext | None = None) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer.asked.append((self.command, self.path, dict(self.headers)))
                answer(self)

            do_POST = do_GET  # noqa: N815 - http.server's name

            def log_message(self, *_: object) -> None:
                pass

        class Quiet(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass

        self.http = Quiet(("127.0.0.1", 0), Handler)
        if context:
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.http.shutdown()
        self.http.server_close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def start(answer: Answerer, context: ssl.SSLContext | None = None) -> Server:
        running.append(Server(answer, context))
        return running[-1]

    yield start
    for server in running:
        server.stop()


def send(
    handler: http.server.BaseHTTPRequestHandler, status: int = 200, content: bytes = b"{}", **headers: str
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(content)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(content)


def client(url: str, **words: Any) -> Client:
    settings = words.pop("settings", Upstream())
    return Client(url, "tj_1_secret", settings, timeouts_s=QUICK, **words)


def why(url: str, **words: Any) -> str:
    with pytest.raises(Unreachable) as raised:
        client(url, **words).call("GET", "/v1/x")
    raised.value.answer.trouble.text()
    return raised.value.what


def test_an_answer_comes_back_whatever_its_status(serve: Callable[..., Server]) -> None:
    server = serve(lambda handler: send(handler, 418, b"short and stout", Retry_After="3"))
    reply = client(server.url).call("POST", "/v1/x", {"Journal-From": "1"}, b"body").reply
    assert (reply.status, reply.content, reply.headers["retry-after"]) == (418, b"short and stout", "3")
    _, _, headers = server.asked[0]
    assert headers["Authorization"] == "Bearer tj_1_secret"
    assert headers["Journal-From"] == "1"
    assert headers["Accept-Encoding"] == "identity"


def test_one_connection_serves_many_calls(serve: Callable[..., Server]) -> None:
    lines: set[Any] = set()
    server = serve(lambda handler: (lines.add(handler.client_address), send(handler)))
    one = client(server.url)
    for _ in range(5):
        one.call("GET", "/v1/x")
    assert len(lines) == 1


def test_neither_environment_nor_cookies_steer_it(
    serve: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    server = serve(lambda handler: send(handler, Set_Cookie="portal=1"))
    one = client(server.url)
    one.call("GET", "/v1/x")
    one.call("GET", "/v1/x")
    assert "Cookie" not in server.asked[1][2]
    assert server.asked[1][2]["Authorization"].startswith("Bearer ")


def test_a_proxy_is_used_when_it_is_set(serve: Callable[..., Server]) -> None:
    proxy = serve(send)
    client("http://upstream.invalid", settings=Upstream(proxy=proxy.url)).call("GET", "/v1/x")
    assert proxy.asked[0][1] == "http://upstream.invalid/v1/x"


def test_it_follows_307_within_the_enrolled_hosts_only(serve: Callable[..., Server]) -> None:
    cell = serve(lambda handler: send(handler, 200, b'{"cell":2}'))
    first = serve(lambda handler: send(handler, 307, b"", Location=f"{cell.url}/v1/moved"))
    assert client(first.url, hosts=(cell.url,)).call("POST", "/v1/x", body=b"b").reply.content == b'{"cell":2}'
    assert cell.asked[0][:2] == ("POST", "/v1/moved")
    assert "host" in why(first.url)
    assert len(cell.asked) == 1  # the token went nowhere it should not


@pytest.mark.parametrize(
    "location", ["", "http://[::1", "//evil.invalid/", "ftp://127.0.0.1/", "https://127.0.0.1/", "\\x"]
)
def test_odd_redirects_lead_nowhere(serve: Callable[..., Server], location: str) -> None:
    server = serve(lambda handler: send(handler, 308, b"", Location=location))
    assert why(server.url)
    assert len(server.asked) <= 3


def test_301_and_302_are_not_followed(serve: Callable[..., Server]) -> None:
    server = serve(lambda handler: send(handler, 302, b"", Location="/login"))
    assert client(server.url).call("GET", "/v1/x").reply.status == 302
    assert len(server.asked) == 1


def test_a_redirect_in_a_circle_ends(serve: Callable[..., Server]) -> None:
    server = serve(lambda handler: send(handler, 307, b"", Location=handler.path))
    assert "circle" in why(server.url)
    assert len(server.asked) == 3


def test_an_answer_without_an_end_is_cut(serve: Callable[..., Server]) -> None:
    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(10_000):
            handler.wfile.write(b"8000\r\n" + b"x" * 0x8000 + b"\r\n")

    assert "too long" in why(serve(endless).url)


def test_a_redirect_without_an_end_is_cut_too(serve: Callable[..., Server]) -> None:
    """requests by itself would read all of it, before anybody is asked."""

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", "/login")
        handler.end_headers()
        for _ in range(10_000):
            handler.wfile.write(b"x" * 0x8000)

    began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "too long" in why(serve(endless).url)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - began < 50 * 1024


def test_an_answer_that_drips_is_cut(serve: Callable[..., Server]) -> None:
    def drip(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        for _ in range(20):
            handler.wfile.write(b" ")
            time.sleep(0.02)

    ticks = iter(range(0, 100_000, 30))
    assert "too long" in why(serve(drip).url, mono_s=lambda: float(next(ticks)))


def test_half_an_answer_is_none(serve: Callable[..., Server]) -> None:
    def half(handler: http.server.BaseHTTPRequestHandler) -> None:
        send(handler, 200, b'{"cursor":', Content_Length="400")
        handler.close_connection = True

    assert "broke" in why(serve(half).url)


def test_a_black_hole_and_a_silent_server_are_left_in_time(serve: Callable[..., Server]) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        began_s = time.monotonic()
        assert "in time" in why(f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert time.monotonic() - began_s < 2


def test_each_failure_has_its_own_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        assert "nobody answers" in why(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert "name" in why("http://no-such-host.invalid")
    assert "address" in why("http://127.0.0.1:99999")
    assert why("http://127.0.0.1:9", settings=Upstream(ca_file="/no/such/file"))  # plain HTTP asks for no CA


def test_it_recovers_after_a_broken_connection(serve: Callable[..., Server]) -> None:
    count = iter(range(100))

    def flaky(handler: http.server.BaseHTTPRequestHandler) -> None:
        if next(count) % 2:
            handler.close_connection = True
            handler.connection.close()
        else:
            send(handler)

    one = client(serve(flaky).url)
    for _ in range(3):
        assert one.call("GET", "/v1/x").reply.status == 200
        with pytest.raises(Unreachable):
            one.call("GET", "/v1/x")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example", ("https", "a.example", 443)),
        ("https://A.Example:443/x", ("https", "a.example", 443)),
        ("http://a.example:8080/x?y", ("http", "a.example", 8080)),
        ("http://[::1]:80", ("http", "::1", 80)),
        ("http://a:port", ("", "", 0)),
        ("", ("", "", 0)),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, expected: tuple[str, str, int]) -> None:
    assert origin(url) == expected


# --- certificates ----------------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = self._build(self.name, self.key, days=(-30, 30), ca=True, hosts=())

    def _build(self, name: x509.Name, key: Any, *, days: tuple[int, int], ca: bool, hosts: tuple[Any, ...]) -> Any:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=days[0]))
            .not_valid_after(now + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName(list(hosts)), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def pem(self, path: Path) -> str:
        path.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        return str(path)

    def server(self, directory: Path, *, days: tuple[int, int] = (-1, 1), host: str = "127.0.0.1") -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "upstream")])
        made = self._build(name, key, days=days, ca=False, hosts=(x509.IPAddress(ipaddress.ip_address(host)),))
        file = directory / f"server{os.urandom(4).hex()}.pem"
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            + made.public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


@pytest.mark.parametrize(
    ("days", "host", "trusted", "accepted"),
    [
        ((-1, 1), "127.0.0.1", True, True),
        ((-9, -1), "127.0.0.1", True, False),  # expired, or the box lives in the future
        ((2, 9), "127.0.0.1", True, False),  # not yet valid: the box lives in the past
        ((-1, 1), "127.0.0.2", True, False),  # another host's
        ((-1, 1), "127.0.0.1", False, False),  # signed by somebody else
    ],
)
def test_only_a_right_certificate_is_spoken_to(
    serve: Callable[..., Server], tmp_path: Path, days: tuple[int, int], host: str, trusted: bool, accepted: bool
) -> None:
    authority = Authority()
    server = serve(send, authority.server(tmp_path, days=days, host=host))
    ca_file = (authority if trusted else Authority()).pem(tmp_path / "ca.pem")
    url = f"https://127.0.0.1:{server.port}"
    if accepted:
        assert client(url, settings=Upstream(ca_file=ca_file)).call("GET", "/v1/x").reply.status == 200
        return
    with pytest.raises(Unreachable) as raised:
        client(url, settings=Upstream(ca_file=ca_file)).call("GET", "/v1/x")
    assert "certificate" in raised.value.what
    assert "clock" in raised.value.hint
    assert raised.value.answer.trouble.code == "sync_tls"
    assert server.asked == []

"""`slipkeeper upstream …` as its user runs it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from agent.errors import UsageError
from tests.upstream.box import Journal
from tests.upstream.running import REPOSITORY, Running
from upstream.place import local_zone, place_of, read_listen


def test_the_command_line_starts_without_django():
    code = (
        "import sys, upstream.cli; sys.exit(any(name.split('.')[0] in {'django', 'waitress'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_serving_needs_no_set_up(new_server, client):
    running = new_server()
    assert oct(running.data.stat().st_mode)[-3:] == "700"
    assert oct((running.data / "secret.key").stat().st_mode)[-3:] == "600"
    assert oct((running.data / "upstream.db").stat().st_mode)[-3:] == "600"
    secret = (running.data / "secret.key").read_text()
    assert len(secret) > 50
    box = client(running, enrolled=False)
    assert box.enroll(running.first_code.lower()).status_code == 201
    box.send(1, 5)
    assert running.stop() == 0
    assert "Traceback" not in running.log()
    assert not (running.data / "upstream.db-wal").exists()  # closed, everything in one file
    running.start()
    assert running.first_code == ""  # somebody is enrolled
    assert (running.data / "secret.key").read_text() == secret
    assert box.send(6, 6).json()["cursor"] == 6


def test_what_people_read_when_it_starts(tmp_path):
    running = Running(tmp_path / "data")
    words = [sys.executable, "-m", "upstream", "serve", "--listen", "127.0.0.1:0", "--data", str(tmp_path / "data")]
    with subprocess.Popen(
        words, cwd=REPOSITORY, env=running.environ(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout
        lines = [process.stdout.readline() for _ in range(4)]
        process.terminate()
    assert lines[0].startswith("upstream http://127.0.0.1:")
    assert lines[1] == f"data     {tmp_path / 'data'}\n"
    assert lines[2].startswith("code     ")
    assert "15 minutes" in lines[2]
    assert lines[3].strip().startswith("slipkeeper enroll http://127.0.0.1:")
    assert process.returncode == 0


def test_codes(new_server, client):
    running = new_server()
    told = json.loads(running.run("enroll-code", "--label", "till 2", "--json").stdout)
    box = client(running, enrolled=False)
    assert box.enroll(told["code"]).json()["label"] == "till 2"
    long = running.run("enroll-code", "--long", "--site", "two").stdout.strip()
    assert len(long) * 5 >= 128
    other = client(running, enrolled=False)
    assert other.enroll(long).json()["site_id"] == "two"
    again = running.run("enroll-code", "--journal", other.journal.journal_id).stdout.strip()
    assert other.enroll(again).json()["site_id"] == "two"


DAMAGE = {
    "a changed line": "UPDATE entry SET body = replace(body, 'CNY', 'EUR') WHERE journal_id = ? AND seq = 7",
    "a changed digest": "UPDATE entry SET digest = zeroblob(32) WHERE journal_id = ? AND seq = 7",
    "a changed hash": "UPDATE entry SET chain = zeroblob(32) WHERE journal_id = ? AND seq = 7",
    "rubbish": "UPDATE entry SET body = 'x' WHERE journal_id = ? AND seq = 7",
    "a missing line": "DELETE FROM entry WHERE journal_id = ? AND seq = 7",
    "a false mask": "UPDATE entry SET redacted = 1, body = replace(body, 'T08', 'T09') WHERE journal_id = ? AND seq = 7",
    "a cut tail": "DELETE FROM entry WHERE journal_id = ? AND seq >= 7",
    "a moved cursor": "UPDATE journal SET cursor = 6 WHERE journal_id = ?",
}


def test_verify_finds_every_kind_of_damage(new_server, client):
    running = new_server()
    boxes = {name: client(running, Journal(name)) for name in [*DAMAGE, "two lines swapped", "nothing"]}
    for box in boxes.values():
        box.send(1, 12)
    whole = running.run("verify", "--json")
    assert (whole.returncode, json.loads(whole.stdout)["whole"]) == (0, True)
    for name, statement in DAMAGE.items():
        running.write(statement, boxes[name].journal.journal_id)
    swapped = boxes["two lines swapped"].journal.journal_id
    for old, new in ((7, -7), (8, 7), (-7, 8)):  # the key forbids it while both are there
        running.write("UPDATE entry SET seq = ? WHERE journal_id = ? AND seq = ?", new, swapped, old)
    broken = running.run("verify", "--json")
    assert broken.returncode == 1
    assert "9 journal(s) are not whole" in broken.stderr
    proofs = {proof["journal_id"]: proof for proof in json.loads(broken.stdout)["journals"]}
    found = {name: proofs[box.journal.journal_id]["broken_at"] for name, box in boxes.items()}
    assert found == dict.fromkeys(DAMAGE, 7) | {"two lines swapped": 7, "nothing": 0}
    assert proofs[boxes["nothing"].journal.journal_id]["head"] == boxes["nothing"].journal.head(12).hex()


def test_people(tmp_path):
    running = Running(tmp_path / "data", environment={"DJANGO_SETTINGS_MODULE": "tests.upstream.quick_settings"})
    assert running.run("user", "add", "anna", "--password-stdin", stdin="korrekt-pferd-9\n").returncode == 0
    assert running.run("user", "disable", "anna").returncode == 0
    listed = json.loads(running.run("user", "list", "--json").stdout)
    assert listed == {"users": [{"name": "anna", "active": False, "last_at": "never"}]}
    weak = running.run("user", "add", "bob", "--password-stdin", stdin="short\n")
    assert (weak.returncode, "too short" in weak.stderr, "Traceback" in weak.stderr) == (2, True, False)


def test_the_world_and_wrong_words(tmp_path):
    running = Running(tmp_path / "data")
    (tmp_path / "data").mkdir()
    (tmp_path / "data/upstream.db").write_bytes(b"this is no database" * 100)
    damaged = running.run("serve", "--listen", "127.0.0.1:0")
    assert (damaged.returncode, "not one of ours" in damaged.stderr, "Traceback" in damaged.stderr) == (1, True, False)
    (tmp_path / "file").write_text("")
    for words, code in (
        (("serve", "--listen", "nowhere"), 2),
        (("migrate", "--data", str(tmp_path / "file/x")), 3),
        (("serve", "--listen", "192.0.2.1:8470", "--data", str(tmp_path / "other")), 3),
        (("enroll-code", "--journal", "x", "--data", str(tmp_path / "other")), 2),
        (("migrate", "--database", "mysql://secret@host/x"), 2),
        (("migrate", "--database", "postgresql://nobody@127.0.0.1:1/x"), 3),
    ):
        done = running.run(*words)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
        assert "secret" not in done.stderr
        assert done.stderr.strip()


@pytest.mark.parametrize(
    ("told", "host", "port", "loopback"),
    [("127.0.0.1:8470", "127.0.0.1", 8470, True), ("[::1]:0", "::1", 0, True), ("0.0.0.0:1", "0.0.0.0", 1, False)],
)
def test_addresses(told, host, port, loopback):
    listen = read_listen(told)
    assert (listen.host, listen.port, listen.loopback) == (host, port, loopback)


@pytest.mark.parametrize("told", ["", "x", ":1", "x:", "x:65536", "x:-1", "x:١"])
def test_no_addresses(told):
    with pytest.raises(UsageError):
        read_listen(told)


@pytest.mark.parametrize(
    ("environment", "directory"),
    [
        ({"SLIPKEEPER_UPSTREAM_DATA": "/a", "STATE_DIRECTORY": "/b", "HOME": "/c"}, "/a"),
        ({"STATE_DIRECTORY": "/b:/x", "HOME": "/c"}, "/b"),
        ({"XDG_DATA_HOME": "/d", "HOME": "/c"}, "/d/slipkeeper/upstream"),
        ({"HOME": "/c"}, "/c/.local/share/slipkeeper/upstream"),
    ],
)
def test_places(environment, directory):
    assert str(place_of(environment).directory) == directory


@pytest.mark.parametrize(
    ("told", "zone"),
    [("Asia/Shanghai", "Asia/Shanghai"), (":Europe/Berlin", "Europe/Berlin"), ("no/where", "UTC"), ("../x", "UTC")],
)
def test_time_zones(told, zone):
    assert local_zone({"TZ": told}) == zone


def test_a_wsgi_server_serves_the_same(tmp_path):
    """A chain runs granian or another WSGI server over the same application."""
    running = Running(tmp_path / "data")
    assert running.run("migrate").returncode == 0
    code = (
        "import upstream.wsgi, io\n"
        "env = {'REQUEST_METHOD': 'GET', 'PATH_INFO': '/readyz', 'SERVER_NAME': 'x', 'SERVER_PORT': '1',"
        " 'wsgi.input': io.BytesIO(), 'wsgi.url_scheme': 'http'}\n"
        "print(b''.join(upstream.wsgi.application(env, lambda status, headers: print(status))))"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=REPOSITORY, env=running.environ(), capture_output=True, text=True, check=True)
    assert "200 OK" in done.stdout
    assert '{"ok":true}' in done.stdout

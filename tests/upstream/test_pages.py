"""The page as a browser gets it: the numbers are right, nothing runs in it, and only the right people see it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape

import pytest
import requests

from tests.upstream.box import Client, Journal, sale
from tests.upstream.running import Running


def text(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def by_id(html: str, name: str) -> str:
    found = re.search(rf'id="{name}"[^>]*>([^<]*)<', html)
    assert found, name
    return found.group(1)


def get(running, path: str = "/", **words) -> requests.Response:
    words.setdefault("headers", {"Accept-Language": "en"})
    return requests.get(running.url + path, timeout=10, **words)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A shop in Shanghai time with three boxes and a day of payments of every kind. Tests only look at it."""
    running = Running(tmp_path_factory.mktemp("shop") / "data").start()
    made: list[Client] = []

    def client(journal: Journal) -> Client:
        made.append(Client(running.url, journal))
        assert made[-1].enroll(running.code()).status_code == 201
        return made[-1]

    day = (datetime.now(UTC) + timedelta(hours=8)).date().isoformat()
    bodies = {
        1: sale(1, "20012001", amount_minor=12850, rrn="263000000001"),
        2: sale(2, "20012001", amount_minor=150),
        3: sale(3, "20012001", amount_minor=999, outcome="declined"),
        4: sale(4, "20012001", amount_minor=700, outcome="unknown"),
        5: sale(5, "20012001", amount_minor=150, transaction_type="void"),
        6: sale(6, "20012001", amount_minor=5000, currency="HKD", card_masked="411111******9999", rrn="<b>x</b>"),
        7: sale(7, "20012001", amount_minor=-1),
        8: {"text": "no money"},
    }
    box = client(Journal("shop", bodies=bodies, kinds={8: "notice"}, day=day))
    assert box.send(1, 8, Journal_Backlog="3").status_code == 200
    quiet = client(Journal("quiet", day="2020-01-01", source="till-9"))
    quiet.send(1, 60)
    old = (datetime.now(UTC) - timedelta(days=3)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    running.write("UPDATE journal SET seen_at = ? WHERE journal_id = ?", old, quiet.journal.journal_id)
    client(Journal("silent"))  # enrolled, has said nothing
    yield running, box
    for one in made:
        one.close()
    running.stop()


def test_the_numbers(shop):
    running, box = shop
    page = get(running).text
    assert [by_id(page, f"terminals-{what}") for what in ("total", "online", "late", "silent")] == ["3", "2", "0", "1"]
    assert by_id(page, "waiting") == "3"
    assert (by_id(page, "attention"), by_id(page, "attention-odd")) == ("1", "1")
    words = text(page)
    assert "￥130.00 2 sales · 1 voided or refunded: −\u2060￥1.50" in words
    assert "HK$50.00 1 sale " in words
    assert "2 with unknown outcome or amount, not added" in words
    assert "20012001 till-1 · 好又多便利店 online" in words
    assert box.journal.head(8).hex()[:8] in words
    assert "<b>x</b>" in unescape(page)
    assert "<b>x</b>" not in page
    assert "622848******1234" in words
    assert page.count("<tr>") == 1 + 3 + 1 + 50


def test_search_and_paging(shop):
    running, _ = shop

    def found(query: str) -> int:
        return get(running, "/", params={"q": query}).text.count('<td data-label="Outcome">')

    assert found("128.50") == 1
    assert found("￥128.50") == 1
    assert found("9999") == 1
    assert found("000002") == 2
    assert found("2630000") == 1
    assert found("20012001 sale") == 6
    assert found("20012001 declined") == 0
    assert found("2020-01-01") == 50
    assert found("nothing") == 0
    assert found("%") == 0
    assert found("' or 1=1 --") == 0
    assert found("\0") in {0, 50}
    first, second = get(running).text, get(running, "/?page=2").text
    assert 'rel="next"' in first
    assert 'rel="prev"' not in first
    assert 'rel="next"' not in second
    assert 'rel="prev"' in second
    assert second.count('<td data-label="Outcome">') == 17
    for odd in (
        "/?page=0",
        "/?page=-1",
        "/?page=x",
        "/?page=99999999999",
        "/?page=١",
        "/?lang=xx",
        "/?q=" + "x" * 5000,
    ):
        assert get(running, odd).status_code == 200


def test_chinese_and_english(shop):
    running, _ = shop
    page = get(running, headers={"Accept-Language": "zh-CN,zh;q=0.9"})
    assert page.headers["Content-Language"] == "zh-hans"
    words = text(page.text)
    assert "今日销售" in words
    assert "撤销或退货 1 笔：−\u2060￥1.50" in words
    assert "消费撤销" in words
    assert "失联" in words
    session = requests.Session()
    assert "今日销售" in session.get(running.url + "/?lang=zh", timeout=5).text
    assert "今日销售" in session.get(running.url + "/", timeout=5).text  # remembered
    assert "Sales today" in session.get(running.url + "/?lang=en", headers={"Accept-Language": "zh"}, timeout=5).text
    session.close()


def test_nothing_runs_in_a_page(shop):
    running, _ = shop
    answer = get(running)
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<script|style=|\son\w+=|https?://(?!127)", answer.text)
    style = get(running, "/static/upstream/page.css")
    assert (style.status_code, style.headers["Content-Type"].split(";")[0]) == (200, "text/css")


def test_a_new_upstream_says_what_to_do(new_server):
    running = new_server()
    page = text(get(running).text)
    assert "slipkeeper upstream enroll-code" in page
    assert f"slipkeeper enroll {running.url} CODE" in page
    assert running.first_code not in page


@pytest.mark.parametrize(
    "headers",
    [{"Host": "evil.example"}, {"Host": "evil.example:8470"}, {"X-Forwarded-For": "1.2.3.4"}, {"Via": "1.1 x"}],
)
def test_open_pages_are_for_the_machine_itself(shop, headers):
    running, _ = shop
    assert get(running, headers=headers, allow_redirects=False).status_code == 302
    assert "128.50" not in get(running, "/login", headers=headers).text


def test_elsewhere_people_log_in(new_server):
    running = new_server(listen="0.0.0.0:0", environment={"DJANGO_SETTINGS_MODULE": "tests.upstream.quick_settings"})
    running.url = running.url.replace("0.0.0.0", "127.0.0.1")
    assert running.run("user", "add", "anna", "--password-stdin", stdin="korrekt-pferd-9\n").returncode == 0
    session = requests.Session()
    there = session.get(running.url + "/?page=2", timeout=5)
    assert there.url.endswith("/login?next=/%3Fpage%3D2")

    def enter(password: str, **more: str) -> requests.Response:
        form = session.get(running.url + "/login", timeout=5).text
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', form)
        assert token
        data = {"username": "anna", "password": password, "csrfmiddlewaretoken": token.group(1), "next": "/"} | more
        return session.post(running.url + "/login", data=data, timeout=5)

    assert "alert" in enter("wrong").text
    assert session.post(running.url + "/login", data={"username": "anna"}, timeout=5).status_code == 403
    inside = enter("korrekt-pferd-9")
    assert inside.url == running.url + "/"
    assert "Log out" in inside.text
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', inside.text)
    assert token
    session.post(running.url + "/logout", data={"csrfmiddlewaretoken": token.group(1)}, timeout=5)
    assert "/login" in session.get(running.url + "/", timeout=5).url
    assert enter("korrekt-pferd-9", next="https://evil.example/").url == running.url + "/"
    token = re.search(r'csrfmiddlewaretoken" value="([^"]+)"', session.get(running.url, timeout=5).text)
    session.cookies.clear()
    for _ in range(9):
        enter("wrong")
    refused = enter("korrekt-pferd-9")
    assert (refused.status_code, int(refused.headers["Retry-After"]) > 0) == (429, True)
    session.close()

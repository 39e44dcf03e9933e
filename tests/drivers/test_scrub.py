"""No card number leaves the bytes of a slip, whatever stands between its digits; and nothing else is touched."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import typeset
from drivers.scrub import scrub

VISA = "4012888888881881"
UNIONPAY = "6222020000000000059"  # synthetic, Luhn valid
NUMBERS = (VISA, UNIONPAY, "378282246310005", "2223003122003222", "3530111333300000", "6011000990139424")


def luhn_ok(digits: str) -> bool:
    total = sum(int(d) if n % 2 == 0 else sum(divmod(int(d) * 2, 10)) for n, d in enumerate(reversed(digits)))
    return total % 10 == 0


def test_the_numbers_are_card_numbers():
    assert all(luhn_ok(number) for number in NUMBERS)


def gb(words: str) -> bytes:
    return words.encode("gb18030")


def shown(data: bytes) -> str:
    return typeset.text(scrub(data))


def wide(number: str) -> str:
    return number.translate(str.maketrans("0123456789", "０１２３４５６７８９"))


def fours(number: str) -> str:
    return " ".join(number[at : at + 4] for at in range(0, len(number), 4))


SPELLINGS = {
    "plain": lambda n: n.encode(),
    "fours": lambda n: fours(n).encode(),
    "dashes": lambda n: fours(n).replace(" ", "-").encode(),
    "two blanks": lambda n: fours(n).replace(" ", "  ").encode(),
    "full width": lambda n: gb(wide(n)),
    "full width in UTF-8": lambda n: "卡 ".encode() + wide(n).encode(),
    "half and half": lambda n: gb(n[:7] + wide(n[7:])),
    "bold toggles": lambda n: b"\x1bE\x01\x1bE\x00".join(bytes([sign]) for sign in n.encode()),
    "sizes": lambda n: n[:5].encode() + b"\x1d!\x11" + n[5:11].encode() + b"\x1d!\x00" + n[11:].encode(),
    "Hanzi mode toggles": lambda n: n[:6].encode() + b"\x1c." + n[6:].encode() + b"\x1c&",
    "digits as parameters": lambda n: n[:8].encode() + b"\x1ba1\x1bt0\x1b!0" + n[8:].encode(),
    "tabs": lambda n: fours(n).replace(" ", "\t").encode(),
    "jumps": lambda n: b"\x1b$\x40\x01".join(bytes([sign]) for sign in n.encode()),
    "queries": lambda n: n[:6].encode() + b"\x10\x04\x01\x1dr1" + n[6:].encode(),
    "full width in a Latin page": lambda n: b"\x1bt\x10" + gb(wide(n)) + b"\x1c&",
    "full width in UTF-8 among other bytes": lambda n: b"\xb5\xd0\xff " * 9 + wide(n).encode(),
    "a picture between": lambda n: n[:6].encode() + b"\x1dv0\x00\x01\x00\x01\x00\xff" + n[6:].encode(),
    "more than a token before": lambda n: b"x" * 5000 + b" " + n.encode(),
    "UTF-16": lambda n: n.encode("utf-16-le"),
    "UTF-16 big": lambda n: n.encode("utf-16-be"),
    "two lines": lambda n: n[:9].encode() + b"\n" + n[9:].encode(),
    "two lines indented": lambda n: n[:9].encode() + b"\r\n   " + n[9:].encode(),
    "a digit a line": lambda n: b"\n".join(bytes([sign]) for sign in n.encode()),
    "expiry behind": lambda n: n.encode() + b" 0528",
    "grouped, expiry behind": lambda n: fours(n).encode() + b"  05/28",
    "date before": lambda n: b"0528 " + n.encode(),
    "amount before": lambda n: b"128.50 " + n.encode(),
    "brackets": lambda n: b"(" + n.encode() + b")",
    "letters around": lambda n: b"NO" + n.encode() + b"X",
    "Hanzi around": lambda n: gb("尾号" + n + "的卡"),
    "QR code": lambda n: b"\x1d(k" + bytes([len(n) + 3]) + b"\x00\x31\x50\x30" + n.encode() + b"\x1d(k\x03\x001Q0",
    "bar code": lambda n: b"\x1dk\x49" + bytes([len(n) + 2]) + b"{B" + n.encode(),
    "swallowed by a picture": lambda n: b"\x1dv0\x00\x10\x00\x10\x00" + n.encode(),
    "unknown command": lambda n: n[:6].encode() + b"\x1b~" + n[6:].encode(),
    "track 2": lambda n: n.encode() + b"=28051010000012345678",
    "track 1": lambda n: b"%B" + n.encode() + b"^TEST/CARD^28051010000012345678",
}
LABELS = (b"", gb("卡号:"), gb("卡    号(CARD NO)：  "), gb("卡号(CARD NO):\n"), b"Card Number: ", gb("备注 "))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("number", NUMBERS)
def test_a_card_number_is_masked_in_every_spelling(spelling, number):
    for label in LABELS:
        data = gb("商户存根\n") + label + SPELLINGS[spelling](number) + gb("\n金额:RMB 128.50\n")
        masked = scrub(data)
        assert len(masked) == len(data)
        assert leaked(masked, number) == "", (spelling, label)
        assert scrub(masked) == masked, "masking is not stable"


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_test_sees_a_leak(spelling):
    assert leaked(SPELLINGS[spelling](UNIONPAY), UNIONPAY) == UNIONPAY


def leaked(data: bytes, number: str) -> str:
    """Digits of `number` beyond the first six and last four that can still be read in a row."""
    narrow = str.maketrans("０１２３４５６７８９", "0123456789")
    read = [typeset.text(data, charset).translate(narrow) for charset in ("auto", "gb18030", "utf-8")]
    for text in [re.sub(r"[^0-9]", "", text) for text in (*read, data.decode("latin-1"))]:
        for length in range(len(number), 9, -1):
            for at in range(len(number) - length + 1):
                if number[at : at + length] in text:
                    return number[at : at + length]
    return ""


@pytest.mark.parametrize("number", NUMBERS)
def test_the_first_six_and_last_four_stay(number):
    masked = number[:6] + "*" * (len(number) - 10) + number[-4:]
    assert shown(number.encode()) == masked
    assert shown(gb("卡号(CARD NO):") + number.encode() + b"  /S") == f"卡号(CARD NO):{masked}  /S"
    assert shown(b"\x1c&" + gb(wide(number))) == wide(number)[:6] + "＊" * (len(number) - 10) + wide(number)[-4:]


@pytest.mark.parametrize(
    ("slip", "after"),
    [
        ("卡号:6222021234567890", "卡号:622202******7890"),  # Luhn wrong, labelled all the same
        ("卡号(CARD NO):\n6222 02** **** *888 8    I", "卡号(CARD NO):\n6222 02** **** *888 8    I"),
        ("卡号：6222021234****7890", "卡号：622202********7890"),
        ("CARD NO.: XXXX XXXX XXXX 1234", "CARD NO.: XXXX XXXX XXXX 1234"),
        ("卡号:12345678", "卡号:****5678"),
        ("卡号(6222021234567890)", "卡号(622202******7890)"),
        ("卡号/CARD NO 6222021234567890", "卡号/CARD NO 622202******7890"),
        ("卡号:8888", "卡号:8888"),
        ("卡号:4111111111111111  批次号:000012", "卡号:411111******1111  批次号:000012"),
        (
            "凭证号  类型 授权码   金额  卡号\n000345  S  123456  128.50",
            "凭证号  类型 授权码   金额  卡号\n000345  S  123456  128.50",
        ),
    ],
)
def test_labelled_numbers_are_masked_whatever_they_look_like(slip, after):
    assert shown(gb(slip)) == after


@pytest.mark.parametrize(
    "slip",
    [
        "商户编号(MERCHANT NO):378282246310005",  # fifteen digits that would pass as American Express
        "商户编号(MERCHANT NO):\n378282246310005",
        "商户订单号:4111111111111111",
        "微信订单号：4200001234202405061234567890",
        "参考号(REF. NO):130514000345",
        "日期时间:20240506131415",
        "TVR: 0000048000\nAID: A000000333010102",
        "批次号:000012  凭证号:000345\n授权码:123456",
        "622202******1234",
        "金额:RMB 128.50\n总计:RMB 128.50",
        "1234567890123456",  # no issuer
        "4111111111111112",  # wrong check digit, no label
    ],
)
def test_other_numbers_stay_as_they_are(slip):
    assert scrub(gb(slip)) == gb(slip)


@given(st.binary(max_size=200))
def test_any_bytes_keep_their_length_and_masking_is_stable(data):
    masked = scrub(data)
    assert len(masked) == len(data)
    assert scrub(masked) == masked


@given(
    st.sampled_from(NUMBERS),
    st.lists(
        st.sampled_from([b"", b" ", b"-", b"\x1bE\x01", b"\x1d!\x11", b"\x1c&", b"\x00", b"\t", b"\n"]),
        min_size=18,
        max_size=18,
    ),
)
def test_anything_between_the_digits_hides_no_number(number, between):
    data = b"".join(bytes([digit]) + piece for digit, piece in zip(number.encode(), [*between, b""], strict=False))
    assert leaked(scrub(data), number) == ""

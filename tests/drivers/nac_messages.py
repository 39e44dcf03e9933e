"""Packs ISO 8583 messages as Chinese POS firmware does, for tests. Written apart from the parser it tests."""

from __future__ import annotations

from drivers.framing import Layout, Length, encode

BCD = Layout(Length.BCD)
TPDU = bytes.fromhex("6000030000")
HEADER = bytes.fromhex("603100310000")
BCD_FIXED = {3: 6, 4: 12, 11: 6, 12: 6, 13: 4, 14: 4, 15: 4, 22: 4, 23: 4, 25: 2, 26: 2, 53: 16}
BCD_ONE = {2, 32, 35}
BCD_TWO = {36, 48, 60, 61}
TEXT_TWO = {54, 55, 57, 58, 59, 62, 63}
TEXT_FIXED = {37: 12, 38: 6, 39: 2, 41: 8, 42: 15, 49: 3, 52: 8, 64: 8}


def element(number: int, value: str) -> bytes:
    if number in BCD_FIXED:
        return bytes.fromhex(value.rjust(BCD_FIXED[number], "0"))
    if number in TEXT_FIXED:
        return value.ljust(TEXT_FIXED[number]).encode("latin-1")
    packed = bytes.fromhex(value + "0" * (len(value) % 2)) if number in BCD_ONE | BCD_TWO else value.encode("latin-1")
    two = number in BCD_TWO | TEXT_TWO
    return bytes.fromhex(f"{len(value):04d}" if two else f"{len(value):02d}") + packed


def pack(mti: str, fields: dict[int, str]) -> bytes:
    bitmap = sum(1 << (64 - number) for number in fields)
    body = b"".join(element(number, fields[number]) for number in sorted(fields))
    return bytes.fromhex(mti) + bitmap.to_bytes(8, "big") + body


def frame(mti: str, fields: dict[int, str], header: bytes = TPDU + HEADER) -> bytes:
    return encode(header + pack(mti, fields), BCD)


PAN = "4012888888881881"  # published test number
# What a terminal sends: everything nobody may keep.
REQUEST = {
    2: PAN,
    3: "000000",
    4: "000000012850",
    11: "000345",
    14: "2512",
    22: "0510",
    25: "00",
    35: PAN + "D2512201" + "0" * 5,
    41: "12345678",
    42: "898110057220001",
    49: "156",
    52: "\x12\x34\x56\x78\x9a\xbc\xde\xf0",
    55: "\x9f\x26\x08" + "x" * 8,
    60: "22000012000500",
    64: "MACMACMA",
}
ANSWER = {
    2: PAN,
    3: "000000",
    4: "000000012850",
    11: "000345",
    12: "131415",
    13: "0506",
    14: "2512",
    15: "0507",
    22: "0510",
    25: "00",
    32: "00010000",
    37: "130514000345",
    38: "123456",
    39: "00",
    41: "12345678",
    42: "898110057220001",
    44: "01020000   48020000   ",
    49: "156",
    55: "\x91\x0a" + "y" * 10,
    60: "22000012000",
    63: "CUP",
    64: "MACMACMA",
}
SETTLED = {
    11: "000346",
    12: "220102",
    13: "0506",
    15: "0506",
    32: "00010000",
    37: "220102000346",
    39: "00",
    41: "12345678",
    42: "898110057220001",
    48: "000000038550" + "003" + "000000012850" + "001" + "1" + "000000000000" + "000" + "000000000000" + "000" + "2",
    49: "156",
    60: "00000012201",
}

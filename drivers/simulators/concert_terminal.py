"""What a till and a Concert E+ terminal would say, for tests and a dry run: frames only, no port."""

from __future__ import annotations

from drivers.text_frames import encode


def question(amount_minor: int, *, kind: str = "0", private: str = "", wait: bool = True, full: bool = True) -> bytes:
    """A till's question in EUR: kind 0 debit, 1 credit, 2 refund."""
    delay = "A010" if wait else "A011"
    return encode(f"01{amount_minor:08d}{int(full)}1{kind}978{private:<10}{delay}B010".encode())


def answer(amount_minor: int, *, status: str = "0", card: str = "", mode: str = "1", private: str = "") -> bytes:
    """The terminal's full answer; `card` stands in its report field."""
    return encode(f"01{status}{amount_minor:08d}{mode}{card:<55}978{private:<10}".encode("latin-1"))


def short_answer(amount_minor: int, *, status: str = "0", private: str = "") -> bytes:
    return encode(f"01{status}{amount_minor:08d}1978{private:<10}".encode())

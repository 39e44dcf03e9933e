"""What a till and a Mellon terminal would say, for tests and a dry run: frames only, no port."""

from __future__ import annotations


def frame(who: str, body: bytes, variant: str = "01") -> bytes:
    message = f"{who}{variant}01".encode() + body
    return len(message).to_bytes(2, "big") + message


def question(amount_minor: int, session: int, kind: str = "A", custom: str = "0") -> bytes:
    """A till's question: kind A sale, Z refund, V void, H cash advance."""
    head = f"{kind}/S{session:06d}/F{amount_minor}:978:2/D20211126180144/RE8/HA21/T{session:06d}"
    return frame("ECR", f"{head}/G:0:0:0:0/M{custom}".encode())


def confirmation(amount_minor: int, session: int) -> bytes:
    return frame("MEL", f"A/S{session:06d}/F{amount_minor}".encode())


def approval(
    amount_minor: int,
    session: int,
    *,
    stan: int = 65,
    card: str = "************3489",
    paid_minor: int | None = None,
    receipt: bytes | None = None,
) -> bytes:
    paid = amount_minor if paid_minor is None else paid_minor
    data = f"Visa Credit:{card}:{amount_minor}:{paid}:11:64999999:000091:133030119089:{stan:06d}:787032:20211126180454"
    body = f"R/S{session:06d}/C00/D{data}".encode("latin-1")
    return frame("MEL", body if receipt is None else body + b"/P" + receipt, "01" if receipt is None else "02")


def refusal(session: int, code: str = "33") -> bytes:
    return frame("MEL", f"R/S{session:06d}/C{code}".encode())


def error(code: str) -> bytes:
    return frame("MEL", f"E/{code}".encode())

"""What every answer says about itself: no script, nothing from elsewhere, nothing kept in between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse

_GetResponse = Callable[[HttpRequest], HttpResponse]
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def safe_headers(get_response: _GetResponse) -> _GetResponse:
    """Middleware: a content security policy for everything; figures of money stay in no cache."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response["Content-Security-Policy"] = _POLICY
        response["X-Frame-Options"] = "DENY"
        if "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        if not response.streaming and "Content-Length" not in response:
            response["Content-Length"] = str(len(response.content))  # else the connection is closed behind each answer
        return response

    return middleware

"""Who may read pages: whoever is logged in, and in a shop that set nothing up, whoever sits at the machine itself.

"At the machine" is taken narrowly: the server listens on loopback only, the asker comes from loopback, by a loopback
name (another name means a foreign page made the browser ask), and not through a proxy.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language

_LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1"})
_PROXY: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via")

View = Callable[[HttpRequest], HttpResponse]


def at_the_machine(request: HttpRequest) -> bool:
    name = request.headers.get("Host", "").lower()
    name = name if name.endswith("]") else name.rpartition(":")[0] or name
    return (
        settings.OPEN_PAGES
        and request.META.get("REMOTE_ADDR") in _LOOPBACK
        and name in _LOOPBACK_NAMES
        and not any(header in request.headers for header in _PROXY)
    )


def readable(view: View) -> View:
    """A page for those who may read."""

    @functools.wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if at_the_machine(request) or request.user.is_authenticated:
            return view(request)
        return redirect_to_login(request.get_full_path())

    return guarded


def shown(request: HttpRequest) -> dict[str, Any]:
    """Context of every template: the other language, and whether there is somebody to log out."""
    user = getattr(request, "user", None)
    return {
        "other_language": "en" if get_language() == "zh-hans" else "zh",
        "logged_in": bool(user and user.is_authenticated),
    }

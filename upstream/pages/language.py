"""The language of a page: `?lang=zh`, else what was chosen before, else what the browser asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.cache import patch_vary_headers

_GetResponse = Callable[[HttpRequest], HttpResponse]
_NAMES: Final = {"zh": "zh-hans", "zh-hans": "zh-hans", "en": "en"}


def choose_language(get_response: _GetResponse) -> _GetResponse:
    """Middleware. A choice by `?lang=` is remembered in a cookie."""

    def middleware(request: HttpRequest) -> HttpResponse:
        chosen = _NAMES.get(request.GET.get("lang", "").lower())
        language = chosen or translation.get_language_from_request(request)
        with translation.override(language):
            response = get_response(request)
        response["Content-Language"] = language
        patch_vary_headers(response, ("Accept-Language", "Cookie"))
        if chosen:
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                chosen,
                max_age=365 * 24 * 3600,
                httponly=settings.LANGUAGE_COOKIE_HTTPONLY,
                secure=settings.LANGUAGE_COOKIE_SECURE,
                samesite="Strict",
            )
        return response

    return middleware

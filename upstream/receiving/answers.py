"""Answers of the protocol as JSON, and the one place where its failures become answers.

A failing database is 503 with Retry-After: whether the batch was committed is unknown then, the agent sends it again,
and the store finds that it is the same.
"""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.request import UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from agent.errors import NotRecorded
from upstream.receiving.problems import Code, Problem

_log: Final = logging.getLogger("upstream.receiving")
_RETRY_S: Final = 5
_View = Callable[..., HttpResponse]


def answer(members: Mapping[str, Any], status: int = 200) -> HttpResponse:
    return JsonResponse(members, status=status, json_dumps_params={"ensure_ascii": False, "separators": (",", ":")})


def refusal(problem: Problem) -> HttpResponse:
    """RFC 9457, with `code` for agents to branch on."""
    code = problem.code
    document = {"type": f"urn:slipkeeper:problem:{code.wire}", "title": code.title, "status": code.status}
    document |= {"code": code.wire, "detail": problem.detail or code.title, **problem.members}
    response = HttpResponse(json.dumps(document), status=code.status, content_type="application/problem+json")
    if problem.retry_after_s:
        response["Retry-After"] = str(problem.retry_after_s)
    if code is Code.UNAUTHORIZED:
        response["WWW-Authenticate"] = 'Bearer realm="slipkeeper"'
    return response


def protocol(*methods: str) -> Callable[[_View], _View]:
    """A view of the protocol: takes `methods`, no cookies, no forms; failures become problem documents."""

    def decorate(view: _View) -> _View:
        @csrf_exempt
        @functools.wraps(view)
        def guarded(request: HttpRequest, **words: str) -> HttpResponse:
            if request.method not in methods:
                response = refusal(Problem(Code.METHOD, f"takes {', '.join(methods)}"))
                response["Allow"] = ", ".join(methods)
                return response
            try:
                return view(request, **words)
            except Problem as problem:
                _tell(request, problem)
                return refusal(problem)
            except RequestDataTooBig:
                return refusal(Problem(Code.TOO_LARGE))
            except UnreadablePostError:
                return refusal(Problem(Code.TORN))
            except (DatabaseError, NotRecorded) as cause:
                _log.warning("store unavailable path=%s cause=%s", request.path, type(cause).__name__)
                return refusal(Problem(Code.UNAVAILABLE, retry_after_s=_RETRY_S))

        return guarded

    return decorate


def _tell(request: HttpRequest, problem: Problem) -> None:
    """Ids and codes, never contents."""
    _log.info("refused code=%s path=%s members=%s", problem.code.wire, request.path, sorted(problem.members))

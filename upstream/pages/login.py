"""Logging in and out. Wrong passwords are slowed like wrong enrolment codes."""

from __future__ import annotations

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView, LogoutView
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from upstream.receiving.problems import Problem
from upstream.receiving.wiring import guesses


class Enter(LoginView):
    template_name = "upstream/login.html"

    def post(self, request: HttpRequest, *args: str, **kwargs: object) -> HttpResponse:
        try:
            guesses("passwords").check(_who(request))
        except Problem as problem:
            words = gettext("Too many wrong passwords. Try again in a few minutes.")
            context = self.get_context_data(form=self.get_form_class()(request), refused=words)
            response = self.render_to_response(context, status=problem.code.status)
            response["Retry-After"] = str(problem.retry_after_s)
            return response
        return super().post(request, *args, **kwargs)

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        guesses("passwords").failed(_who(self.request))
        return super().form_invalid(form)


def _who(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


enter = Enter.as_view()
leave = LogoutView.as_view()

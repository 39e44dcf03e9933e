"""Every address of the receiving end."""

from __future__ import annotations

from django.urls import path, re_path

from upstream.pages import login, overview
from upstream.receiving import views

_JOURNAL = r"^v1/journals/(?P<journal_id>[0-9a-f-]{36})"

urlpatterns = [
    path("", overview.page, name="overview"),
    path("login", login.enter, name="login"),
    path("logout", login.leave, name="logout"),
    path("v1/enroll", views.enroll),
    path("v1/token/rotate", views.rotate),
    re_path(_JOURNAL + "$", views.journal),
    re_path(_JOURNAL + "/entries$", views.entries),
    re_path(_JOURNAL + "/status$", views.status),
    re_path(_JOURNAL + "/blobs/(?P<sha256>[0-9a-f]{64})$", views.blob),
    re_path(r"^v1/", views.nowhere),
    path("healthz", views.healthz),
    path("readyz", views.readyz),
]

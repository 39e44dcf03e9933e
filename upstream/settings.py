"""Settings of the receiving end. They come from the environment; `upstream.place` says which words."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from upstream import place

_HERE = Path(__file__).parent
_PLACE = place.place_of(os.environ)

SECRET_KEY = _PLACE.secret()
DEBUG = False
# Agents come by whatever name or number the shop's network has. Nothing here builds a link from the Host header, and
# pages that are open without a login look at the header themselves (upstream.pages.access).
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "upstream.receiving",
    "upstream.ledger",
    "upstream.pages",
]
MIDDLEWARE = [
    "upstream.pages.headers.safe_headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "upstream.pages.language.choose_language",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]
ROOT_URLCONF = "upstream.urls"
WSGI_APPLICATION = "upstream.wsgi.application"
APPEND_SLASH = False

_SQLITE: dict[str, Any] = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": _PLACE.sqlite_file,
    "OPTIONS": {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        # FULL: an answer 200 says "on disk". No automatic checkpoints: see upstream.receiving.checkpoint.
        # secure_delete: what is purged is gone from the file as well.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; "
        "PRAGMA journal_size_limit=1048576; PRAGMA secure_delete=ON; PRAGMA foreign_keys=ON",
    },
}
DATABASES: dict[str, dict[str, Any]] = {
    "default": {**(place.postgresql(_PLACE.database) if _PLACE.database else _SQLITE), "CONN_MAX_AGE": None},
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The store behind the protocol; tests put a dishonest one here to see themselves fail.
RECEIVING_STORE = "upstream.receiving.store.Store"
RECEIVING_ADDRESS = os.environ.get(place.ADDRESS, "").rstrip("/")
OPEN_PAGES = os.environ.get(place.OPEN_PAGES) == "1"
# The protocol bounds bodies itself (upstream.receiving.wire); this bounds them for the forms too.
DATA_UPLOAD_MAX_MEMORY_SIZE = 9 * 1024 * 1024

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [_HERE / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "upstream.pages.access.shown",
            ],
        },
    },
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [_HERE / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "中文")]
LOCALE_PATHS = [_HERE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = place.local_zone(os.environ)

LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login"
SESSION_COOKIE_AGE = 12 * 3600  # one working day
SESSION_COOKIE_SAMESITE = "Strict"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Strict"
LANGUAGE_COOKIE_SAMESITE = "Strict"
LANGUAGE_COOKIE_HTTPONLY = True
# Behind a proxy that ends TLS, the operator tells the address people use: SLIPKEEPER_UPSTREAM_ADDRESS=https://…
CSRF_TRUSTED_ORIGINS = [RECEIVING_ADDRESS] if RECEIVING_ADDRESS else []
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = RECEIVING_ADDRESS.startswith("https:")
SECURE_REFERRER_POLICY = "same-origin"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
        "django.request": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
        "waitress.queue": {"level": "ERROR"},
    },
}

"""People who may read the pages: Django's accounts, by name and password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError

from agent.errors import UsageError

_NAME: Final = UnicodeUsernameValidator()


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    active: bool
    last_at: str  # ISO 8601, or "never"


def add(name: str, password: str) -> bool:
    """Add a person or set a new password. True when the person is new."""
    person = User.objects.filter(username=name).first() or User(username=name)
    new = person.pk is None
    try:
        _NAME(name)
        validate_password(password, person)
    except ValidationError as cause:
        raise UsageError("{why}", "try again", why=" ".join(cause.messages)) from cause
    person.is_active = True
    person.set_password(password)
    person.save()
    return new


def disable(name: str) -> None:
    if not User.objects.filter(username=name).update(is_active=False):
        raise UsageError("there is nobody called {name}", "slipkeeper upstream user list", name=name)


def everybody() -> list[Person]:
    return [
        Person(one.username, one.is_active, one.last_login.isoformat() if one.last_login else "never")
        for one in User.objects.order_by("username")
    ]

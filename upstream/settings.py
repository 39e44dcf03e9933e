"""Settings of the receiving end."""

SECRET_KEY = "set-by-the-wiring"  # noqa: S105
INSTALLED_APPS: list[str] = []

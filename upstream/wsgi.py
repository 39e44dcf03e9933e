"""The door for WSGI servers: `granian --interface wsgi upstream.wsgi:application`, or waitress by our own `serve`."""

from __future__ import annotations

import os

from django.core.wsgi import get_wsgi_application

from upstream.place import SETTINGS

os.environ.setdefault(SETTINGS, "upstream.settings")
application = get_wsgi_application()

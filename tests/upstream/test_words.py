"""Every sentence of the pages has its Chinese, and the catalogue holds nothing else."""

from __future__ import annotations

import ast
import re

from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from tests.upstream.running import REPOSITORY

UPSTREAM = REPOSITORY / "upstream"
_PLACE = re.compile(r"{{\s*(\w+)\s*}}")


def said() -> set[str]:
    found = set()
    for template in UPSTREAM.glob("templates/**/*.html"):
        text = template.read_text()
        found |= {quoted for _, quoted in re.findall(r"{% translate (['\"])(.+?)\1", text)}
        for block in re.findall(r"{% blocktranslate[^%]*%}(.*?){% endblocktranslate %}", text):
            found |= {_PLACE.sub(r"%(\1)s", part) for part in block.split("{% plural %}")}
    for source in UPSTREAM.glob("pages/*.py"):
        for call in ast.walk(ast.parse(source.read_text())):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in {"_", "gettext"}:
                assert isinstance(call.args[0], ast.Constant)
                found.add(call.args[0].value)
    return found


def test_the_catalogue_is_whole():
    with (UPSTREAM / "locale/zh_Hans/LC_MESSAGES/django.po").open("rb") as file:
        catalogue = read_po(file, locale="zh_Hans")
    known = set()
    for message in catalogue:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        known |= set(ids)
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        places = set(re.findall(r"%\(\w+\)s", ids[0]))
        for string in strings:
            assert string or not ids[0], ids
            assert not ids[0] or set(re.findall(r"%\(\w+\)s", string)) == places, ids
    assert len(said()) > 60
    assert known - {""} == said()


def test_the_compiled_catalogue_is_of_today():
    """`pybabel compile -D django -d upstream/locale` makes it."""
    folder = UPSTREAM / "locale/zh_Hans/LC_MESSAGES"
    with (folder / "django.po").open("rb") as source, (folder / "django.mo").open("rb") as compiled:
        assert _strings(read_mo(compiled)) == _strings(read_po(source, locale="zh_Hans"))


def _strings(catalogue):
    """Sentences and their translations; plurals come as lists from one reader and as tuples from the other."""
    return {_parts(message.id): _parts(message.string) for message in catalogue if message.id}


def _parts(text):
    return tuple(part for part in ([text] if isinstance(text, str) else text) if part)

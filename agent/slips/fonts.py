"""Finds faces to draw slips with: one that has Chinese, one monospaced for Latin. Nothing is shipped, nothing fetched.

The optional package `pylopdf-fonts-zh-cn` (extra `fonts`) brings Noto Sans SC; else whatever the system has. Without a
Chinese face a picture is still made, with boxes where Chinese stands, and one warning is logged.
"""

from __future__ import annotations

import functools
import importlib.util
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_log = logging.getLogger(__name__)

# Best first. In a collection (.ttc) the face whose family name says simplified Chinese is taken.
_CHINESE: Final = (
    "NotoSansSC-Regular.otf",
    "NotoSansCJKsc-Regular.otf",
    "NotoSansMonoCJKsc-Regular.otf",
    "NotoSansSC-Regular.ttf",
    "NotoSansSC[wght].ttf",
    "NotoSansSC-VF.ttf",
    "NotoSansCJK-Regular.ttc",
    "SourceHanSansSC-Regular.otf",
    "SourceHanSansCN-Regular.otf",
    "wqy-microhei.ttc",
    "wqy-zenhei.ttc",
    "DroidSansFallbackFull.ttf",
    "PingFang.ttc",
    "Hiragino Sans GB.ttc",
    "STHeiti Light.ttc",
    "msyh.ttc",
    "simhei.ttf",
    "simsun.ttc",
)
_LATIN: Final = ("DejaVuSansMono.ttf", "LiberationMono-Regular.ttf", "NotoSansMono-Regular.ttf", "consola.ttf")
_ENOUGH: Final = 3
_SIMPLIFIED: Final = ("SC", "CN", "Hei", "GB")


@dataclass(frozen=True, slots=True)
class Face:
    """A font file and which of its faces."""

    path: Path
    index: int = 0


@dataclass(frozen=True, slots=True)
class Faces:
    """What a machine has. `chinese`: best first, the others for rare characters the first one lacks."""

    chinese: tuple[Face, ...]
    latin: Face | None


@functools.cache
def faces() -> Faces:
    """What this machine has, looked up once a process."""
    found = search(directories(), packaged())
    if not found.chinese:
        _log.warning("no_chinese_font hint=%s", "pip install slipkeeper[fonts], or install the package fonts-noto-cjk")
    return found


def search(places: Sequence[Path], brought: Path | None = None) -> Faces:
    """The best faces under `places`; `brought` is a Chinese face that comes before them."""
    here = {path.name: path for place in places for path in _fonts(place)}
    chinese = [*([brought] if brought else []), *(here[name] for name in _CHINESE if name in here)]
    latin = next((here[name] for name in _LATIN if name in here), None)
    return Faces(tuple(map(_face, chinese[:_ENOUGH])), Face(latin) if latin else None)


def packaged() -> Path | None:
    """Noto Sans SC of the optional package, found without importing it."""
    spec = importlib.util.find_spec("pylopdf_fonts_zh_cn")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "NotoSansSC-Regular.otf"
    return path if path.is_file() else None


def directories() -> tuple[Path, ...]:
    """Where this system keeps fonts."""
    home = Path.home()
    if sys.platform == "darwin":
        return (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts")
    if sys.platform == "win32":
        return (Path("C:/Windows/Fonts"),)
    return (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), home / ".local/share/fonts", home / ".fonts")


def _fonts(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (path for path in sorted(place.rglob("*")) if path.suffix.lower() in {".ttf", ".otf", ".ttc"})


def _face(path: Path) -> Face:
    if path.suffix.lower() != ".ttc":
        return Face(path)
    from PIL import ImageFont  # noqa: PLC0415 - heavy, and needed by few

    for index in range(16):
        try:
            family = ImageFont.truetype(str(path), 24, index=index).getname()[0] or ""
        except OSError:
            break
        if any(word in family for word in _SIMPLIFIED):
            return Face(path, index)
    return Face(path)

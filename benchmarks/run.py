"""Runs the benchmarks: `python benchmarks/run.py [--json] [--dir DIR] [name …]`."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

NAMES = ("append", "acknowledge", "keeper")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, help=f"which of: {', '.join(NAMES)}")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--dir", type=Path, help="a directory on the disk to measure")
    asked = parser.parse_args()
    figures = []
    for name in asked.names or NAMES:
        if not asked.json:
            print(f"{name} …", file=sys.stderr, flush=True)
        found = importlib.import_module(f"benchmarks.{name}").run(asked.dir)
        figures += found
        if not asked.json:
            for figure in found:
                sign = "≥" if figure.better == "more" else "≤"
                mark = "✔" if figure.met else "✘"
                print(f"  {mark} {figure.name:<44} {figure.value:8.2f}   goal {sign} {figure.goal:<5} {figure.about}")
    if asked.json:
        print(json.dumps([figure.plain() for figure in figures], indent=2))


if __name__ == "__main__":
    main()

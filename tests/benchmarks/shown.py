"""How benchmarks show their figures."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any


def show(figures: Mapping[str, Any], as_json: bool) -> None:
    """Prints them as JSON, or a line each."""
    if as_json:
        json.dump(figures, sys.stdout, indent=1)
        print()
    else:
        for name, value in figures.items():
            print(f"{name:22}{value}")

"""Files with a JSON value on each line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def json_lines(path: Path) -> list[Any]:
    """The value of each line."""
    return [json.loads(line) for line in path.read_text().splitlines()]

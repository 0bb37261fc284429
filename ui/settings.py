"""What the editor remembers about this person on this machine: theme, UI scale, which panels are open, the window's size."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any


def folder() -> Path:
    """The user's config folder: `$ZRACK_CONFIG`, else that of the system.  It need not exist."""
    named = os.environ.get("ZRACK_CONFIG")
    if named:
        return Path(named)
    import platformdirs

    return Path(platformdirs.user_config_dir("zrack", appauthor=False))


@dataclass
class Settings:
    """`scale` None follows the display; a panel without an entry is open where there is room."""

    theme: str = "dark"
    scale: float | None = None
    panels: dict[str, bool] = field(default_factory=dict)
    size: tuple[int, int] = (1280, 800)
    minimap: bool = True
    cable_levels: bool = False  # cables thicken with what they carry
    toured: bool = False  # the first-run patch was shown

    @classmethod
    def load(cls) -> Settings:
        """What was saved; where that cannot be read, the defaults."""
        try:
            found: Any = json.loads((folder() / "settings.json").read_text("utf-8"))
        except (OSError, ValueError):
            return cls()
        made = cls()
        for f in fields(cls):
            value = found.get(f.name) if isinstance(found, dict) else None
            if f.name == "size" and isinstance(value, list) and len(value) == 2 and all(isinstance(v, int) for v in value):
                made.size = (min(max(value[0], 640), 10000), min(max(value[1], 400), 10000))
            elif f.name == "panels" and isinstance(value, dict):
                made.panels = {str(k): bool(v) for k, v in value.items()}
            elif f.name == "scale" and isinstance(value, int | float) and 0.5 <= value <= 4:
                made.scale = float(value)
            elif f.name == "theme" and value in ("dark", "light"):
                made.theme = value
            elif f.name in ("minimap", "cable_levels", "toured") and isinstance(value, bool):
                setattr(made, f.name, value)
        return made

    def save(self) -> None:
        """Writes them down; a folder that cannot be written keeps nothing and stops nothing."""
        place = folder() / "settings.json"
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            beside = place.with_name(f".settings-{os.getpid()}.json")
            beside.write_text(json.dumps(asdict(self), indent=1), "utf-8")
            beside.replace(place)
        except OSError:
            return

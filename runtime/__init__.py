"""From a patch to sound: plan, engine, workers, devices, control."""

from importlib.util import find_spec
from pathlib import Path

# The import names are plain words (this is an application with an environment of its own), so another package or a
# file beside the program may hide ours: say which, rather than fail somewhere inside.  Nothing is imported for it.
for _name in ("graph", "nodes"):
    _spec = find_spec(_name)
    _file = Path(_spec.origin if _spec and _spec.origin else "nothing")
    if _file.resolve().parent.parent != Path(__file__).resolve().parent.parent:
        raise ImportError(f"zrack's own package {_name} is hidden by {_file}; run zrack in an environment of its own")

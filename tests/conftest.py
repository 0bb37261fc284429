"""The user's node folder of the tests holds node types that only tests need; every process finds it by its name."""

import os
from pathlib import Path

os.environ["ZRACK_NODES"] = str(Path(__file__).parent / "rack_nodes")

"""What a start imports: the command line's help nothing heavy, a warm render neither numba nor torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent.parent
REPORT = "\nimport sys\nprint('MODULES', *sorted({m.split('.')[0] for m in sys.modules}))"


def modules(code: str, *args: str) -> set[str]:
    """Top-level modules that a fresh Python has imported after `code`."""
    done = subprocess.run(
        [sys.executable, "-c", code + REPORT, *args], cwd=HERE, capture_output=True, text=True, check=True, timeout=120
    )
    return set(done.stdout.rpartition("MODULES")[2].split())


def test_help_imports_nothing_heavy() -> None:
    found = modules("from runtime.cli import main\nassert main(['--help']) == 0")
    assert "click" in found
    assert not found & {
        "numpy",
        "numba",
        "llvmlite",
        "networkx",
        "msgpack",
        "torch",
        "rich",
        "soundfile",
        "matplotlib",
        "nodes",
    }


def test_listing_the_nodes_imports_neither_numba_nor_torch() -> None:
    found = modules("from runtime.cli import main\nassert main(['nodes']) == 0")
    assert "nodes" in found
    assert not found & {"numba", "torch", "librosa", "soundfile", "matplotlib"}


def test_a_patch_needs_networkx_and_msgpack_only(tmp_path: Path) -> None:
    code = "from graph import Patch\nimport sys\np = Patch()\np.save(sys.argv[1])\nPatch.load(sys.argv[1])"
    found = modules(code, str(tmp_path / "a.zrack"))
    assert {"networkx", "msgpack"} <= found
    assert not found & {"numpy", "numba", "click", "nodes", "runtime", "ui"}


def test_a_warm_render_imports_neither_numba_nor_torch(tmp_path: Path) -> None:
    build = (
        "from graph import Patch\nfrom nodes import catalog\nfrom runtime.offline import render\nimport sys\n"
        "catalog.load()\np = Patch()\np.add('source/saw', 'osc')\np.add('filter/lowpass', 'lp')\np.add('io/output', 'out')\n"
        "p.connect('osc.out', 'lp.audio')\np.connect('lp.out', 'out.audio')\np.connect('lp.out', 'osc.freq', amount=0.01)\n"
        "assert abs(render(p, 0.1).audio).max() > 0.01\np.save(sys.argv[1])"
    )
    modules(build, str(tmp_path / "warm.zrack"))  # fills the cache of kernels where it has to
    code = "from runtime.cli import main\nimport sys\nassert main(['render', *sys.argv[1:], '--seconds', '0.2']) == 0"
    found = modules(code, str(tmp_path / "warm.zrack"), "-o", str(tmp_path / "warm.wav"))
    assert {"numpy", "llvmlite", "soundfile"} <= found
    assert not found & {"numba", "torch", "librosa", "matplotlib", "scipy"}

"""What the compiled engine's files share.  Importing this imports numba."""

from __future__ import annotations

import numba
import numpy as np

J = numba.njit(error_model="numpy", nogil=True, no_cpython_wrapper=True)
F = np.float32
ZERO, ONE = F(0.0), F(1.0)

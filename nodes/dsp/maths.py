"""Constants and elementary functions in float32 for kernels: branch-free, so that loops over them vectorise.

The C library's sin, exp and so on are calls that stop LLVM from using vector registers.  These are polynomials fitted
by weighted least squares driven to the minimax solution (Lawson's algorithm) on the range that the argument reduction
leaves; the docstrings give the fit's error, to which float32 rounding (about 1e-7) adds.  Integer
functions wrap around as machine integers do.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PI = 3.141592653589793
TAU = 6.283185307179586
HALF_PI = 1.5707963267948966
SQRT2 = 1.4142135623730951
SQRT_HALF = 0.7071067811865476
LOG2E = 1.4426950408889634
LN2 = 0.6931471805599453
DB = 0.16609640474436813  # log2(10) / 20: decibels to octaves of amplitude
C4 = 261.6255653005986  # Hz at 0 V
TINY = 1e-20  # adds to a divisor that is >= 0 without being heard
CYCLE = 4294967296.0  # 2^32: one cycle of an integer phase
PER_CYCLE = 2.3283064365386963e-10  # 2^-32
PER_HALF = 4.656612873077393e-10  # 2^-31


def edge(last: Any, now: Any) -> Any:
    """Whether a gate rose: from below 0.5 to 0.5 or more."""
    return last < 0.5 and now >= 0.5


def clamp(x: Any, low: Any, high: Any) -> Any:
    """`x` kept in low … high.  NaN becomes `high`."""
    x = x if x < high else high
    return x if x > low else low


def bits_of(x: Any) -> Any:
    """The bits of a float32 as int32.  (numba allows one `.view` a function, so kernels call this.)"""
    return np.float32(x).view(np.int32)


def float_of(bits: Any) -> Any:
    """The float32 that has these int32 bits."""
    return np.int32(bits).view(np.float32)


def nearest(x: Any) -> Any:
    """Nearest whole number, as a float; halves go up."""
    return np.floor(x + np.float32(0.5))


def wrap(x: Any) -> Any:
    """Fraction of `x` in 0 … 1 (a tiny negative `x` rounds to 1)."""
    return x - np.floor(x)


def sin_quarter(x: Any) -> Any:
    """sin(2πx) for |x| <= 0.25 cycles; relative fit error 6e-9."""
    z = x * x
    p = 81.60223152066246 + z * (-76.57499792654446 + z * 39.71095802791873)
    return x * (6.283185273816016 + z * (-41.341677483433386 + z * p))


def sin_half(x: Any) -> Any:
    """sin(2πx) for x in -0.5 … 0.5 cycles: `sin_cycles` for a phase that is already wrapped."""
    high = 0.5 - x
    low = -0.5 - x
    x = x if x < high else high
    return sin_quarter(x if x > low else low)


def sin_cycles(x: Any) -> Any:
    """sin(2πx), x in cycles; absolute error < 1e-6 for |x| < 4, then the argument's own rounding."""
    return sin_half(x - nearest(x))


def cos_cycles(x: Any) -> Any:
    """cos(2πx), x in cycles; accuracy as `sin_cycles`."""
    return sin_quarter(0.25 - abs(x - nearest(x)))


def tan_pi(x: Any) -> Any:
    """tan(πx) for 0 <= x <= 0.499 (clamped), to prewarp cutoff / rate; relative error < 1e-6."""
    x = clamp(x, 0.0, 0.499)
    return sin_quarter(x * 0.5) / sin_quarter((0.5 - x) * 0.5)


def turns(x: Any) -> Any:
    """Integer phase (2^32 a cycle) of `x` cycles, any sign."""
    return np.int32(np.int32((x - nearest(x)) * 2147483648.0) << 1)


def exp2(x: Any) -> Any:
    """2^x, x clamped to -126 … 127; relative fit error 2e-9."""
    x = clamp(x, -126.0, 127.0)
    n = nearest(x)
    x = x - n
    p = 0.009618437357831036 + x * (0.001339887442218357 + x * 0.00015353361884992874)
    p = 1.0 + x * (0.6931472028550829 + x * (0.24022647913626416 + x * (0.05550332471100336 + x * p)))
    return p * float_of((np.int32(n) + 127) << 23)


def approach(y: Any) -> Any:
    """1 - 2^-y for y >= 0 without losing the digits of a small `y`: how far one step of a decay goes."""
    small = y * (0.6931471805599453 - y * (0.24022650695910072 - y * (0.05550410866482158 - y * 0.009618129107628477)))
    return small if y < 0.05 else 1.0 - exp2(-y)


def exp(x: Any) -> Any:
    """e^x; relative error < 1e-7 · (2 + |x|)."""
    return exp2(x * LOG2E)


def log2(x: Any) -> Any:
    """Binary logarithm of x, x raised to at least 1.2e-38; relative fit error 3e-8."""
    bits = bits_of(x if x > 1.1754944e-38 else 1.1754944e-38)
    n = np.int32(np.int32(bits - 0x3F3504F3) >> 23)  # mantissa goes to 0.707 … 1.414
    m = float_of(bits - (n << 23)) - 1.0
    p = 0.21571561108969659 + m * (-0.20726972866324953 + m * 0.12583698336837465)
    p = -0.36070368269206926 + m * (0.2879162478932464 + m * (-0.2389448241161938 + m * p))
    return np.float32(n) + m * (1.4426950036524124 + m * (-0.721347346804531 + m * (0.4809106429478796 + m * p)))


def tanh(x: Any) -> Any:
    """Hyperbolic tangent, a rational fit to |x| < 9 with relative error 2e-8; exactly odd, never beyond ±1."""
    x = clamp(x, -9.0, 9.0)
    z = x * x
    p = 0.0034955679373233784 + z * (2.0608751597949327e-05 + z * 1.3354214400962405e-08)
    p = 0.9999999794914984 + z * (0.1338100870279658 + z * p)
    q = 0.025876905530209438 + z * (0.0003285601807621588 + z * 7.776372543191745e-07)
    return clamp(x * p / (1.0 + z * (0.46714324307532934 + z * q)), -1.0, 1.0)


def db(x: Any) -> Any:
    """Amplitude of `x` decibels: 10^(x/20)."""
    return exp2(x * DB)


def to_db(x: Any) -> Any:
    """Decibels of amplitude `x`, from -758 dB up."""
    return log2(x) / DB


def scramble(x: Any) -> Any:
    """One to one map of 32-bit integers that looks random: the finaliser of MurmurHash3 (A. Appleby, public domain)."""
    x = np.uint32(x)
    x = np.uint32(np.uint32(x ^ (x >> 16)) * np.uint32(0x85EBCA6B))
    x = np.uint32(np.uint32(x ^ (x >> 13)) * np.uint32(0xC2B2AE35))
    return np.uint32(x ^ (x >> 16))


def stream(seed: Any, channel: Any) -> Any:
    """Seed of one channel's random stream from a node's seed; channel 0 is what a mono run hears."""
    return np.uint32(scramble(seed) + np.uint32(channel) * np.uint32(0x9E3779B9))


def noise(seed: Any, n: Any) -> Any:
    """Random number `n` (any integer) of stream `seed`, uniform in -1 … 1; the same whenever it is asked for."""
    h = scramble(np.uint32(n) ^ scramble(seed))
    return np.float32(np.int32(h)) * PER_HALF

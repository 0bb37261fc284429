"""Where everything lies in the memory that Python writes and the compiled engine reads: int64 cells by index.

Indices that different threads write stand on cache lines of their own (eight cells).
"""

from __future__ import annotations

# ---- engine header
(
    E_NOW, E_PLAN, E_BLOCK, E_RING, E_MASK, E_OUT_CH, E_IN_CH, E_IN_BUF, E_OUT_FIFO, E_OUT_HAVE, E_IN_HAVE, E_OFFLINE,
    E_DONE, E_LATE, E_FAULTS, E_FAULT_N, E_BYPASS, E_FADE, E_SEM_POST, E_SWAPS, E_UNDERRUN, E_WINDOW, E_CHECKS, E_LAST,
    E_CALLS, E_LOG, E_LOG_CAP, E_LOG_LOST, E_PENDING, E_PENDING_N, E_AT, E_WATCH, E_TAP, E_TAP_FRAMES, E_TAP_IN, E_RETURNED,
) = range(36)  # fmt: skip
# Indices that two threads share have cache lines of their own.
E_CW, E_CR = 40, 48  # control ring: written up to (Python), read up to (engine)
E_RW, E_RR = 56, 64  # returned plans: written up to (engine), read up to (Python)
E_LOG_W, E_LOG_R = 72, 80  # control log: written up to (engine), read up to (Python)
E_TAPPED = 88  # frames written to the taps so far
E_CELLS = 96
PENDING = 4096  # controls that wait for their time, sorted
WATCHES = 16  # ports whose samples somebody looks at: rows of WATCH_ROW cells
WATCH_SOURCE, WATCH_CH, WATCH_CLOCK, WATCH_RING, WATCH_FRAMES, WATCH_N = range(6)
WATCH_ROW = 8
FAULT_CAP = 256  # rows of FAULT_ROW cells: time, step's record, first bad frame, spare
FAULT_ROW = 4
CONTROL_ROW = 4  # time, kind << 32 | target, value (float64 bits) or address, ramp frames
SET_PARAM, SET_CHOICE, SET_PLAN, SET_BYPASS, SET_CELL, SET_WATCH = range(6)

# ---- plan header
(
    P_SEGMENTS, P_SEG_N, P_TARGETS, P_TARGET_MAP, P_MAP_N, P_ACTIVE, P_ACTIVE_N, P_OUT, P_CARRY, P_CARRY_N, P_CHECK,
    P_CHECK_N, P_CLOCKS, P_CLOCK_N, P_PORTS, P_PORT_N, P_ID, P_CURSOR, P_STEPS, P_STEP_N, P_BLOCK, P_TOUCHED, P_TOUCHED_N,
) = range(23)  # fmt: skip
P_CELLS = 24

# ---- segment: steps of one clock, a loop that runs sample by sample, or steps that run only when a control moves them
S_LOOP, S_FIRST, S_COUNT, S_CLOCK, S_FUSED, S_FUSED_ROW = range(6)
S_CELLS = 8
BLOCK, LOOP, STILL = range(3)  # S_LOOP

# ---- target of a control: a param …
T_KIND, T_BUF, T_CH, T_CURVE, T_LOW, T_HIGH, T_POS, T_GOAL, T_STEP, T_LEFT, T_FILLED, T_VALUE = range(12)
T_ACTIVE, T_KNOB, T_CELLS_AT, T_CELLS_N, T_PREPARE, T_PREPARE_N, T_OWN, T_MOVING, T_MOVING_N = range(12, 21)
T_TOUCHED, T_UID, T_SWITCH = 21, 22, 23
# … or a choice or bypass: T_KIND, T_CELLS_AT, T_CELLS_N, T_PREPARE, T_PREPARE_N, T_SWITCH, T_VALUE and T_BUF (functions that
# bypass and that fade) …
# … or cells of a node's state: T_KIND, T_BUF, T_CELLS_N
T_CELLS = 24

# ---- record of a step: what metering, quarantine and bypass need
R_TICKS, R_CALLS, R_BAD, R_FUNCTION, R_OUT_N, R_STATE_N, R_STATES, R_BYPASS, R_FADE, R_OFF = range(10)
# R_BYPASS: its target's index or -1; R_FADE: frames until a bypass by hand is done; R_OFF: the function that bypasses,
# 0 on the way back
R_OUTS = 10  # then R_OUT_N rows of: address, channels, clock, bypass source address, its channels, frames in front, peak,
# ticks of its clock where the step runs over samples
OUT_ROW = 8
OUT_PEAK = 6  # bits of the largest magnitude that was seen, kept until a reader sets it back
STATE_ROW = 3  # at R_STATES: rows of address, count, bytes of a float (0: not a float)

# ---- carry: the last frame of a delayed cable's source goes in front of its buffer
C_ROW = 3  # address, channels, clock

# ---- check: buffers looked at every block
K_ROW = 4  # address, channels, clock, 1 where it is heard

# ---- latent clock
L_NUM, L_DEN, L_TICKS, L_COUNT, L_BEFORE = range(5)  # period num/den samples, int32 ticks, frames now, frames last time
L_CELLS = 8

# ---- port of a work node: rings addressed by absolute time
(W_NUM, W_LATENCY, W_LENGTH, W_SLOTS, W_IN, W_IN_CH, W_OUT, W_OUT_CH, W_SEM, W_LATE, W_DRY, W_NOW, W_READY, W_LEFT,
 W_FROM, W_UID) = range(16)  # fmt: skip
# W_NUM: a hop is W_NUM/W_DEN samples, hop k begins at ceil(k hop); (position W_DEN + W_OFF) // W_NUM hops can be worked on
# W_FROM: the first hop that is expected, -1 while the worker starts; W_UID: the number of its bypass target
W_POS = 16  # input written up to here (engine)
W_SEQ = 24  # then W_SLOTS cells: slot k holds the number of the last finished hop + 1
W_CTL = 40  # stop, offline, skipped hops, hops done, failed, ready to work, runs of skipped hops
W_ENGINE, W_TELL = 48, 49  # the engine's address, and the number of the target that says in a replay when work was there
# latents: frames a ring holds, ring, dims and period num/den of a frame, in and out; a frame comes out W_SHIFT frames later
W_DEN, W_OFF, W_SHIFT = 50, 51, 52
W_ZIN, W_ZIN_CH, W_ZIN_FRAMES, W_ZIN_NUM, W_ZIN_DEN = range(53, 58)
W_ZOUT, W_ZOUT_CH, W_ZOUT_FRAMES, W_ZOUT_NUM, W_ZOUT_DEN = range(58, 63)
W_CELLS = 64
W_MAX_SLOTS = W_CTL - W_SEQ

# ---- device stream: what the sound device's callback works on
(
    D_DECK, D_IN_CH, D_OUT_CH, D_CHUNK, D_GAIN, D_FADE, D_MIXED, D_CALLS, D_FRAMES, D_FLAGS, D_HIST, D_LONGEST, D_BUSY,
    D_PEAKS, D_SEND, D_SEND_N, D_SEND_CH, D_SENT, D_CAPTURE, D_CAPTURE_N, D_RUN, D_STRIKES, D_LAST, D_AT, D_PACE, D_NOMINAL,
    D_RATE,
) = range(27)  # fmt: skip
# D_DECK: what plays; D_CHUNK: frames computed at a time; D_GAIN, D_MIXED: frames into a fade of D_FADE; D_FLAGS: address of
# five counts; D_SEND, D_CAPTURE: sound to put out on a channel, room for what comes in; D_AT, D_PACE: smoothed cycle of the
# callback and cycles a frame (float64, as D_NOMINAL and D_RATE are)
D_NEXT = 32  # deck to change over to, 0 when done (Python writes, the callback clears)
D_WANT = 40  # 1 play, 0 stop (Python)
D_CAPTURED = 48  # frames captured so far
D_SEQ = 56  # odd while what follows is written: smoothed cycle, cycles a frame, sample of the engine, engine, stream time,
# DAC time
D_CELLS = 64
HISTOGRAM = 640  # bins of callback durations, 16 an octave of cycles

# ---- deck: an engine as one device hears it
(
    DECK_ENGINE, DECK_EXCHANGE, DECK_IN_MAP, DECK_OUT_MAP, DECK_IN, DECK_OUT, DECK_SCRATCH, DECK_FROM, DECK_TO,
) = range(9)  # fmt: skip
# maps: device channel of each engine input, engine channel of each device output, or -1; DECK_FROM, DECK_TO: converters or 0
DECK_CELLS = 16

# ---- converter of rates, polyphase: `V_STEP / V_UP` source frames a frame
V_UP, V_STEP, V_PHASE, V_TAPS, V_TABLE, V_HELD, V_HAVE, V_WIDTH, V_CH = range(9)
V_CELLS = 16

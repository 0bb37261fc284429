"""The last pass of planning: steps become rows of int64 cells, as `runtime.layout` lays them out."""

from __future__ import annotations

import ctypes
from itertools import count

import numpy as np

from nodes.units import HEAD

from .layout import *  # noqa: F403 - cell names, all constants
from .library import addresses, ready
from .memory import Memory, touched
from .steps import Draft, Loop, Plan, Progress, Step

ENTRY = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)
_ids = count(1)


def write(b: Draft, memory: Memory, progress: Progress | None) -> Plan:
    """The arrays of a plan from what the builder collected; seals the memory that it uses."""
    steps = b.on_demand + [s for unit, _, _ in b.units for s in unit]
    where = ready((s.unit for s in steps if s.unit), progress)
    functions = addresses()
    entries = [where[s.unit] if s.unit else functions[s.function] for s in steps]
    rows = np.zeros(_lay_out(steps), np.int64)
    rows_at = rows.ctypes.data
    records, record_at = _records(steps, entries, b.ticks)
    record_at_of = {id(s): at for s, at in zip(steps, record_at, strict=True)}
    for k, s in enumerate(steps):
        width = s.unit.width if s.unit else HEAD + len(s.raw)
        cells = [functions["bypass"] if s.off else entries[k], width * 8, s.channels, b.rate, record_at[k], s.clock]
        if s.unit:
            for a in s.unit.args:
                given = s.cells[a.name][: a.cells]
                cells += given
        else:
            cells += s.raw
        rows[s.offset : s.offset + width] = cells

    address = {id(s): rows_at + 8 * s.offset for s in steps}
    parts = [(b.on_demand, 0, STILL), *((unit, clock, int(loop)) for unit, clock, loop in b.units)]
    segments = np.zeros((len(parts), S_CELLS), np.int64)
    loops: list[Loop] = []
    for q, (unit, clock, loop) in enumerate(parts):
        segments[q, :4] = loop, address[id(unit[0])] if unit else 0, len(unit), clock
        if loop == LOOP and all(s.unit and s.clock == 0 and not s.off for s in unit):
            row = np.zeros(HEAD + len(unit), np.int64)
            row[HEAD:] = [address[id(s)] for s in unit]
            loops.append((q, [s.unit for s in unit if s.unit], row, _equal(unit)))
    targets, lists = _targets(b, rows_at, address)
    names = {key: memory.number(t.uid) for key, t in b.targets.items()}
    numbers = np.full(max(names.values(), default=0) + 1, -1, np.int64)  # index of each control's target
    for k, number in enumerate(names.values()):
        numbers[number], targets[k, T_UID] = k, number
    active, changed = touched((2, len(targets)))
    for k, key in enumerate(b.targets):
        if key[1] == "bypass":
            for step, _ in b.targets[key].cells:
                records[0][(record_at_of[id(step)] - records[0].ctypes.data) // 8 + R_BYPASS] = k
    carries = np.array(list(b.carries.values()) or [(0, 0, 0)], np.int64)
    checked = list(dict.fromkeys(b.checks))
    checks = np.array(checked or [(0, 0, 0, 0)], np.int64)
    clocks = np.zeros((max(len(b.periods), 1), L_CELLS), np.int64)
    for k, p in enumerate(b.periods):
        clocks[k, :3] = p.numerator, p.denominator, b.ticks[k + 1]
    ports = np.array([p.address for p in b.ports.values()] or [0], np.int64)
    header = np.zeros(P_CELLS, np.int64)
    cells_of: dict[int, int] = {
        P_SEGMENTS: segments.ctypes.data, P_SEG_N: len(parts), P_TARGETS: targets.ctypes.data, P_ACTIVE: active.ctypes.data,
        P_TARGET_MAP: numbers.ctypes.data, P_MAP_N: len(numbers),
        P_OUT: b.outlets["(master)", "out"].at, P_CARRY: carries.ctypes.data, P_CARRY_N: len(b.carries),
        P_CHECK: checks.ctypes.data, P_CHECK_N: len(checked), P_CLOCKS: clocks.ctypes.data, P_CLOCK_N: len(b.periods),
        P_PORTS: ports.ctypes.data, P_PORT_N: len(b.ports), P_ID: next(_ids), P_STEPS: rows_at, P_STEP_N: len(steps),
        P_BLOCK: b.block, P_TOUCHED: changed.ctypes.data,
    }  # fmt: skip
    for cell, value in cells_of.items():
        header[cell] = value
    plan = Plan(
        header.ctypes.data, header, steps, names, targets, {names[k]: t.uid for k, t in b.targets.items()}, b.ramps, b.ids,
        b.names, rows_at, memory.seal(), (b.needs_in, b.needs), b.ports, b.out_channels, b.in_channels, b.outlets, segments,
        loops, [rows, records, segments, targets, lists, numbers, active, changed, carries, checks, clocks, ports, b.keep],
        b.rate, dict(zip(record_at, steps, strict=True)), records[0], b.specs, clocks[: len(b.periods)],
    )  # fmt: skip
    for s in b.on_demand:
        ENTRY(int(rows[s.offset]))(address[id(s)], 0, b.block)
    return plan


def _equal(loop: list[Step]) -> list[tuple[int, int, int, int]]:
    """Where a step of a loop reads what an earlier one writes: (writer, its cell, reader, its cell)."""
    written: dict[int, tuple[int, int]] = {}
    out = []
    for k, s in enumerate(loop):
        u = s.unit
        for a in u.args if u and u.mono else ():
            if u and a.kind == "buffer":
                at, place = s.cells[a.name][0], (k, u.cell(a.name))
                if a.name in u.outs:
                    written[at] = place
                elif at in written:
                    out.append((*written[at], *place))
    return out


def _lay_out(steps: list[Step]) -> int:
    """Gives every step the place of its row; returns the cells of all."""
    at = 0
    for s in steps:
        s.offset = at
        at += s.unit.width if s.unit else HEAD + len(s.raw)
    return max(at, 1)


def _records(steps: list[Step], entries: list[int], ticks: list[int]) -> tuple[list[np.ndarray], list[int]]:
    """What metering, quarantine and bypass know of each step."""
    cells: list[int] = []
    starts, state_starts = [], []
    states: list[int] = []
    for s, function in zip(steps, entries, strict=True):
        starts.append(len(cells))
        state_starts.append(len(states))
        cells += [0, 0, int(s.off), function, len(s.outs), len(s.states), 0, -1, 0, 0]
        for k, out in enumerate(s.outs):
            t = s.through if k == 0 else None
            cells += [out.at, out.channels, out.clock, t.at if t else 0, t.channels if t else 0, out.front, 0]
            cells.append(ticks[out.clock] if out.clock and not s.clock else 0)
        for row in s.states:
            states += row
    records, state = np.array(cells or [0], np.int64), np.array(states or [0], np.int64)
    for start, first in zip(starts, state_starts, strict=True):
        records[start + R_STATES] = state.ctypes.data + 8 * first
    return [records, state], [records.ctypes.data + 8 * s for s in starts]


def _targets(b: Draft, rows_at: int, address: dict[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Rows of what controls can move, and the lists of cells they point to."""
    out = np.zeros((max(len(b.targets), 1), T_CELLS), np.int64)
    real = out.view(np.float64)
    flat: list[int] = []
    spans = []
    for t in b.targets.values():
        first = len(flat)
        for step, name in t.cells:
            if t.kind == SET_BYPASS:
                flat.append(address[id(step)])
            elif name.startswith("#"):
                flat.append(address[id(step)] + 8 * (HEAD + int(name[1:])))
            else:
                assert step.unit is not None
                flat.append(address[id(step)] + 8 * step.unit.cell(name))
        if t.address:
            flat.append(t.address)
        second = len(flat)
        flat += [address[id(s)] for s in t.prepare]
        third = len(flat)
        flat += [address[id(s)] + 8 * s.unit.cell("moving") for s in t.moving if s.unit]
        spans.append((first, second - first, second, len(t.prepare), third, len(t.moving)))
    lists = np.array(flat or [0], np.int64)
    at = lists.ctypes.data
    for k, (t, (first, n, second, m, third, told)) in enumerate(zip(b.targets.values(), spans, strict=True)):
        out[k, T_KIND] = t.kind
        out[k, T_CELLS_AT], out[k, T_CELLS_N] = at + 8 * first, n
        out[k, T_PREPARE], out[k, T_PREPARE_N] = at + 8 * second, m
        out[k, T_MOVING], out[k, T_MOVING_N] = at + 8 * third, told
        out[k, T_SWITCH] = int(t.value) if t.kind != SET_PARAM else 0
        if t.kind == SET_BYPASS:
            out[k, T_VALUE], out[k, T_BUF] = addresses()["bypass"], addresses()["fade"]
        elif t.kind == SET_CELL:
            out[k, T_BUF], out[k, T_CELLS_N] = t.own, t.channels
        elif t.spec is not None:
            p = t.spec
            out[k, [T_BUF, T_CH, T_CURVE, T_KNOB]] = t.own, t.channels, p.curve == "exp", t.knob
            real[k, [T_LOW, T_HIGH, T_POS, T_GOAL, T_VALUE]] = p.low, p.high, p.knob(t.value), p.knob(t.value), t.value
    return out, lists

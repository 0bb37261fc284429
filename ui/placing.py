"""Places for nodes that have none: in columns, signals from left to right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

ACROSS, DOWN = 60.0, 24.0  # between columns and between nodes


def columns(names: Iterable[str], cables: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The column of each node: one to the right of what feeds it.  Cables that close a loop do not count."""
    order = sorted(names)
    after: dict[str, list[str]] = {n: [] for n in order}
    for src, dst in sorted(set(cables)):
        if src in after and dst in after and src != dst:
            after[src].append(dst)
    done: dict[str, bool] = {}  # False while it is on the path
    sequence: list[str] = []
    forward: list[tuple[str, str]] = []
    for start in order:
        if start in done:
            continue
        done[start] = False
        stack = [(start, iter(after[start]))]
        while stack:
            node, rest = stack[-1]
            for follower in rest:
                if done.get(follower) is False:
                    continue  # leads back
                forward.append((node, follower))
                if follower not in done:
                    done[follower] = False
                    stack.append((follower, iter(after[follower])))
                    break
            else:
                stack.pop()
                done[node] = True
                sequence.append(node)
    column = dict.fromkeys(order, 0)
    ahead: dict[str, list[str]] = {n: [] for n in order}
    for src, dst in forward:
        ahead[src].append(dst)
    for node in reversed(sequence):
        for follower in ahead[node]:
            column[follower] = max(column[follower], column[node] + 1)
    return column


def places(
    sizes: Mapping[str, tuple[float, float]], cables: Iterable[tuple[str, str]], left: float = 0.0, top: float = 0.0
) -> dict[str, tuple[float, float]]:
    """A place for each node of `sizes` (width, height), none over another, from (left, top) on."""
    pairs = list(cables)
    column = columns(sizes, pairs)
    before: dict[str, list[str]] = {}
    for src, dst in pairs:
        if src in sizes and dst in sizes and column[src] < column[dst]:
            before.setdefault(dst, []).append(src)
    found: dict[str, tuple[float, float]] = {}
    x = left
    for number in range(max(column.values(), default=-1) + 1):
        names = [n for n in sizes if column[n] == number]
        wish = {n: _mean([found[m][1] for m in before.get(n, ())], top) for n in names}
        y = top
        for name in sorted(names, key=lambda n: (wish[n], n)):
            found[name] = x, y
            y += sizes[name][1] + DOWN
        x += max(sizes[n][0] for n in names) + ACROSS
    return found


def _mean(numbers: list[float], otherwise: float) -> float:
    return sum(numbers) / len(numbers) if numbers else otherwise

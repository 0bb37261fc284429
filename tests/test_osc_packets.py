"""OSC packets: read as python-osc reads them, and refused whole where they are not right."""

from __future__ import annotations

import contextlib
import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pythonosc.osc_message import OscMessage

from runtime.osc_packets import NOW, Malformed, bundle, message, parse
from tests.osc_stage import FATAL

VALUES = st.one_of(
    st.floats(width=32, allow_nan=False), st.integers(-(2**31), 2**31 - 1), st.integers(2**33, 2**60), st.booleans(), st.none(),
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20), st.binary(min_size=1, max_size=9),
)  # fmt: skip
ADDRESSES = st.from_regex(r"/[a-z/_0-9]{1,30}", fullmatch=True)


# packets


@given(ADDRESSES, st.lists(VALUES, max_size=6))
def test_messages_are_read_as_python_osc_reads_them(address: str, args: list[Any]) -> None:
    data = message(address, *args)
    (found,) = parse(data)
    reference = OscMessage(data)
    assert (found.address, list(found.args)) == (reference.address, reference.params) == (address, args)


def test_arguments_that_python_osc_leaves_out() -> None:
    data = b"/a\0\0,cISiT[f]\0\0\0" + b"\0\0\0x" + b"sym\0" + struct.pack(">i", 7) + struct.pack(">f", 0.5)
    assert parse(data)[0].args == ("x", True, "sym", 7, True, [0.5])


@given(st.lists(st.tuples(ADDRESSES, st.lists(VALUES, max_size=2)), max_size=5), st.integers(2, 2**63))
def test_bundles_keep_order_and_an_inner_one_is_never_earlier(messages: list[tuple[str, list[Any]]], tag: int) -> None:
    built = [message(a, *args) for a, args in messages]
    found = parse(bundle([*built, bundle(built, tag + 5), bundle(built, NOW)], tag))
    n = len(messages)
    assert [(m.address, list(m.args)) for m in found] == messages * 3
    assert [m.tag for m in found] == [tag] * n + [tag + 5] * n + [tag] * n


@pytest.mark.parametrize("name", FATAL)
def test_malformed_packets_are_refused_whole(name: str) -> None:
    with pytest.raises(Malformed):
        parse(FATAL[name])


@settings(max_examples=1000)
@given(
    st.binary(max_size=64),
    st.sampled_from([b"", b"/a\0\0,", b"#bundle\0\0\0\0\0\0\0\0\1", b"#bundle\0\0\0\0\0\0\0\0\1\0\0\0\x08/a\0\0"]),
)
def test_any_bytes_are_messages_or_malformed(data: bytes, start: bytes) -> None:
    with contextlib.suppress(Malformed):
        parse(start + data)

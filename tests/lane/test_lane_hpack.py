"""Header compression: the RFC's own examples, and what a decoder without a dynamic table refuses."""

from __future__ import annotations

import lane_bytes as b
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mobula._lane import ProtocolError, hpack, huffman
from mobula._lane.static_table import STATIC_TABLE

# RFC 7541, appendices C.4 and C.6: Huffman-coded strings.
VECTORS = {
    "f1e3c2e5f23a6ba0ab90f4ff": b"www.example.com",
    "a8eb10649cbf": b"no-cache",
    "25a849e95ba97d7f": b"custom-key",
    "25a849e95bb8e8b4bf": b"custom-value",
    "6402": b"302",
    "640eff": b"307",
    "aec3771a4b": b"private",
    "d07abe941054d444a8200595040b8166e082a62d1bff": b"Mon, 21 Oct 2013 20:13:21 GMT",
    "9d29ad171863c78f0b97c8e9ae82ae43d3": b"https://www.example.com",
    "9bd9ab": b"gzip",
    "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007": (
        b"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"
    ),
}
_CODES = {value: bin(code)[3:] for code, value in huffman._SYMBOLS.items()}


def huffman_encode(text: bytes) -> bytes:
    bits = "".join(_CODES[byte] for byte in text)
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big") if bits else b""


@pytest.mark.parametrize(("coded", "text"), VECTORS.items())
def test_huffman_examples_of_the_rfc(coded: str, text: bytes) -> None:
    assert huffman.decode(bytes.fromhex(coded)) == text
    assert huffman_encode(text).hex() == coded


@given(st.binary())
def test_huffman_round_trip(text: bytes) -> None:
    assert huffman.decode(huffman_encode(text)) == text


@pytest.mark.parametrize(
    "coded",
    [
        b"\xff\xff\xff\xff",  # the end-of-string symbol
        b"\xff" * 64,
        huffman_encode(b"no-cache") + b"\xff",  # padding of a whole byte
        b"\x00",  # '0' and padding that is not ones
    ],
)
def test_huffman_refuses(coded: bytes) -> None:
    with pytest.raises(ProtocolError, match="HPACK"):
        huffman.decode(coded)


@pytest.mark.parametrize(
    ("block", "fields"),
    [
        ("400a637573746f6d2d6b65790d637573746f6d2d686561646572", [(b"custom-key", b"custom-header")]),  # C.2.1
        ("040c2f73616d706c652f70617468", [(b":path", b"/sample/path")]),  # C.2.2
        ("100870617373776f726406736563726574", [(b"password", b"secret")]),  # C.2.3: never indexed
        ("82", [(b":method", b"GET")]),  # C.2.4
        (
            "828684410f7777772e6578616d706c652e636f6d",  # C.3.1
            [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")],
        ),
        (
            "828684418cf1e3c2e5f23a6ba0ab90f4ff",  # C.4.1
            [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"www.example.com")],
        ),
        ("2088", [(b":status", b"200")]),  # a table-size update to zero
        ("202088", [(b":status", b"200")]),
        ("", []),
    ],
)
def test_blocks(block: str, fields: list[tuple[bytes, bytes]]) -> None:
    assert hpack.decode(bytes.fromhex(block), 4096) == fields


def test_integers_of_the_rfc() -> None:
    # C.1.2: 1337 with a prefix of five bits; as the length of a value here, with a prefix of seven.
    value = b"v" * 1337
    assert hpack.decode(b"\x00\x01a\x7f\xba\x09" + value, 4096) == [(b"a", value)]
    assert hpack._integer(1337, 5, 0) == b"\x1f\x9a\x0a"
    assert hpack._integer(10, 5, 0) == b"\x0a"
    assert hpack._integer(42, 8, 0) == b"\x2a"


@pytest.mark.parametrize(
    "block",
    [
        b"\xbe",  # index 62: the dynamic table, which is empty for ever
        b"\x80",  # index 0
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # an integer without end
        b"\x7f\x80\x80\x80\x80\x80\x80\x00",  # padded with zeros
        b"\x3f\xe1\x1f\x88",  # table size 4096
        b"\x88\x20",  # a size update after a field
        b"\x20\x20\x20\x88",
        b"\x00\x05ab",  # ends inside
        b"\x00",
        b"\x00\x01a",
        b"\x00\x7f",
        b"\x40\x7f\xff\xff\xff\xff\x0f",  # a string of 4 GiB
    ],
)
def test_refused_blocks(block: bytes) -> None:
    with pytest.raises(ProtocolError, match="HPACK"):
        hpack.decode(block, 4096)


def test_many_cheap_fields_are_refused() -> None:
    # One byte a field on the wire, 60 in memory: the header bomb of a decoder without a limit.
    with pytest.raises(ProtocolError, match="above 4096 bytes"):
        hpack.decode(b"\x90" * 5000, 4096)


def test_an_indexed_literal_leaves_no_entry() -> None:
    block = bytes.fromhex("400a637573746f6d2d6b65790d637573746f6d2d686561646572")
    assert hpack.decode(block, 4096)
    with pytest.raises(ProtocolError):
        hpack.decode(block + b"\xbe", 4096)


@given(st.binary(max_size=200))
def test_any_bytes_give_fields_or_a_protocol_error(block: bytes) -> None:
    try:
        fields = hpack.decode(block, 1024)
    except ProtocolError:
        return
    assert sum(len(name) + len(value) + 32 for name, value in fields) <= 1024


_NAMES = st.sampled_from([name for name, _ in STATIC_TABLE]) | st.binary(min_size=1, max_size=200)


@given(st.lists(st.tuples(_NAMES, st.binary(max_size=300)), max_size=5))
def test_what_we_encode_decodes_and_is_never_indexed(fields: list[tuple[bytes, bytes]]) -> None:
    block = hpack.encode(fields)
    assert hpack.decode(block, 1 << 20) == fields


def test_secrets_are_never_indexed() -> None:
    assert hpack.encode([(b"authorization", b"Bearer 1")]) == b"\x1f\x08\x08Bearer 1"


def test_static_table() -> None:
    assert len(STATIC_TABLE) == 61
    assert STATIC_TABLE[0] == (b":authority", b"")
    assert STATIC_TABLE[7] == (b":status", b"200")
    assert STATIC_TABLE[60] == (b"www-authenticate", b"")


def test_lane_bytes_speaks_the_same() -> None:
    assert hpack.decode(b.field(b"name", b"v" * 5000), 1 << 20) == [(b"name", b"v" * 5000)]

"""Header compression (RFC 7541) with no state: our dynamic table has size 0, and we never use the peer's.

The dynamic table is where small clients break and where header bombs live. We grant none (SETTINGS_HEADER_TABLE_SIZE
is 0), so what is left to decode is the static table, literals, Huffman strings and a size update to zero.
"""

from __future__ import annotations

from mobula._lane import huffman
from mobula._lane.errors import ProtocolError
from mobula._lane.static_table import STATIC_TABLE

_ENTRY_OVERHEAD = 32  # RFC 7541 §4.1: what one field counts besides its name and value
_MAX_SIZE_UPDATES = 2  # RFC 7541 §4.2: the smallest size since the last block, and the final one
_STATIC_INDEX = {field: index for index, field in enumerate(STATIC_TABLE, 1)}
_NAME_INDEX = {name: index for index, (name, _) in reversed(list(enumerate(STATIC_TABLE, 1)))}


class _Reader:
    """A cursor over one header block."""

    __slots__ = ("data", "pos")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.pos = 0

    def integer(self, bits: int) -> int:
        """RFC 7541 §5.1. Refuses what would not fit 32 bits, however it is spelled."""
        mask = (1 << bits) - 1
        value = self.data[self.pos] & mask
        self.pos += 1
        if value < mask:
            return value
        for shift in range(0, 35, 7):
            byte = self._byte()
            value += (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 32:
                    break
                return value
        raise ProtocolError("HPACK: an integer above 32 bits")

    def string(self) -> bytes:
        coded = self._peek() & 0x80
        length = self.integer(7)
        text = self.data[self.pos : self.pos + length]
        if len(text) != length:
            raise ProtocolError("HPACK: a string ends beyond its block")
        self.pos += length
        return huffman.decode(text) if coded else text

    def _peek(self) -> int:
        if self.pos >= len(self.data):
            raise ProtocolError("HPACK: a field ends beyond its block")
        return self.data[self.pos]

    def _byte(self) -> int:
        byte = self._peek()
        self.pos += 1
        return byte


def decode(block: bytes, max_list: int) -> list[tuple[bytes, bytes]]:
    """The header fields of one block, in order.

    `max_list` bounds the decoded list (names, values and 32 bytes a field). Raises ProtocolError.

    >>> from mobula._lane.hpack import decode
    >>> decode(bytes.fromhex("88") + b"\\x00\\x01a\\x01b", 1024)
    [(b':status', b'200'), (b'a', b'b')]
    """
    reader = _Reader(block)
    fields: list[tuple[bytes, bytes]] = []
    size = 0
    updates = 0
    while reader.pos < len(block):
        first = block[reader.pos]
        if first & 0x80:
            field = _indexed(reader.integer(7))
        elif first & 0xE0 == 0x20:
            updates += 1
            if fields or updates > _MAX_SIZE_UPDATES or reader.integer(5):
                raise ProtocolError("HPACK: a table-size update above 0 or in the wrong place")
            continue
        else:
            # Literals. One "with indexing" is legal with a table of size 0: it is simply not kept.
            index = reader.integer(6 if first & 0x40 else 4)
            field = (_indexed(index)[0] if index else reader.string(), reader.string())
        size += len(field[0]) + len(field[1]) + _ENTRY_OVERHEAD
        if size > max_list:
            raise ProtocolError(f"HPACK: a header list above {max_list} bytes")
        fields.append(field)
    return fields


def encode(fields: list[tuple[bytes, bytes]]) -> bytes:
    """A header block that puts nothing into any table: static fields by index, all others never-indexed literals.

    >>> from mobula._lane.hpack import encode
    >>> encode([(b":method", b"POST"), (b"te", b"trailers")])
    b'\\x83\\x10\\x02te\\x08trailers'
    """
    block = bytearray()
    for name, value in fields:
        index = _STATIC_INDEX.get((name, value))
        if index is not None:
            block += _integer(index, 7, 0x80)
            continue
        index = _NAME_INDEX.get(name, 0)
        block += _integer(index, 4, 0x10)
        if not index:
            block += _integer(len(name), 7, 0) + name
        block += _integer(len(value), 7, 0) + value
    return bytes(block)


def _indexed(index: int) -> tuple[bytes, bytes]:
    if not 0 < index <= len(STATIC_TABLE):
        raise ProtocolError(f"HPACK: index {index} where only the static table exists")
    return STATIC_TABLE[index - 1]


def _integer(value: int, bits: int, pattern: int) -> bytes:
    mask = (1 << bits) - 1
    if value < mask:
        return bytes((pattern | value,))
    out = bytearray((pattern | mask,))
    value -= mask
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

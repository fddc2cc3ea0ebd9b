"""Huffman-coded header strings (RFC 7541, appendix B): decoding only, for we never send them."""

from __future__ import annotations

from mobula._lane.errors import ProtocolError

# Bits of the code of each byte value. The code is canonical: within one length the codes count up with the byte value,
# so the lengths alone give it. The end-of-string symbol (30 ones) is left out: inside a string it is an error.
# fmt: off
_LENGTHS = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
)
# fmt: on
_LONGEST = 30
_MAX_PADDING = 7


def _symbols() -> dict[int, int]:
    """Code to byte value. A leading one bit marks where a code begins, so codes of different lengths stay apart."""
    table = {}
    code = 0
    for length in range(min(_LENGTHS), _LONGEST + 1):
        for value, bits in enumerate(_LENGTHS):
            if bits == length:
                table[1 << length | code] = value
                code += 1
        code <<= 1
    return table


_SYMBOLS = _symbols()


def decode(data: bytes) -> bytes:
    """The string that `data` encodes. Raises ProtocolError for the end-of-string symbol and for wrong padding.

    >>> from mobula._lane.huffman import decode
    >>> decode(bytes.fromhex("a8eb10649cbf"))
    b'no-cache'
    """
    text = bytearray()
    code = 1
    for byte in data:
        for shift in range(7, -1, -1):
            code = code << 1 | byte >> shift & 1
            value = _SYMBOLS.get(code)
            if value is not None:
                text.append(value)
                code = 1
        # Checked once a byte: only the end-of-string symbol has no entry within thirty bits.
        if code >> _LONGEST:
            raise ProtocolError("HPACK: end-of-string symbol inside a Huffman string")
    # What is left must be the most significant bits of end-of-string, which is all ones, and shorter than a byte.
    if code & (code + 1) or code.bit_length() - 1 > _MAX_PADDING:
        raise ProtocolError("HPACK: wrong padding after a Huffman string")
    return bytes(text)

"""Numbers and texts, one after the other, from bytes that may end too soon."""

from labkit.elf.image import Unreadable, text_at

MAX_PATH = 1024  # bytes


class Cursor:
    """Reads numbers and texts from bytes, one after the other. Raises Unreadable at their end."""

    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def number(self, size: int) -> int:
        """Return an unsigned number of `size` bytes."""
        piece = self.data[self.at : self.at + size]
        if len(piece) < size:
            raise Unreadable("a line table is cut off")
        self.at += size
        return int.from_bytes(piece, "little")

    def uleb(self) -> int:
        """Return an unsigned number in DWARF's variable length."""
        if self.at < len(self.data) and self.data[self.at] < 128:  # nearly always, and a line program has millions
            self.at += 1
            return self.data[self.at - 1]
        value = 0
        for shift in range(0, 70, 7):
            byte = self.number(1)
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise Unreadable("a line table has a number without an end")

    def sleb(self) -> int:
        """Return a signed number in DWARF's variable length."""
        start, value = self.at, self.uleb()
        bits = 7 * (self.at - start)
        return value - (1 << bits) if value >> (bits - 1) & 1 else value

    def text(self) -> str:
        """Return a text and step over the zero byte that ends it."""
        found = text_at(self.data, self.at, MAX_PATH)
        end = self.data.find(b"\0", self.at)
        if end < 0:
            raise Unreadable("a line table is cut off")
        self.at = end + 1
        return found

"""Arrow streams with batches of null rows: a few bytes that stand for millions of rows. Needs no packages.

The layout is that of Arrow's IPC format (Message.fbs and Schema.fbs, metadata version 5), written with the few parts of
FlatBuffers that it takes.
"""
import struct


class Flat:
    """Writer of FlatBuffers from front to back: each table lies before the objects that it refers to."""

    def __init__(self):
        self.data = bytearray(4)

    def align(self, size):
        self.data += bytes(-len(self.data) % size)

    def table(self, *fields):
        """Writes a table of `None`, `(format, value)` or a function that writes the object referred to."""
        sizes = [4 if callable(f) else struct.calcsize(f[0]) if f else 0 for f in fields]
        places, end = [], 4
        for size in sizes:
            end += -end % size if size else 0
            places.append(end if size else 0)
            end += size
        slots = struct.pack(f"<{len(fields) + 2}H", 4 + 2 * len(fields), end, *places)
        self.align(8)
        self.data += bytes(-len(slots) % 8) + slots
        at = len(self.data)
        self.data += struct.pack("<i", len(slots)) + bytes(end - 4)
        for field, place in zip(fields, places):
            if field and not callable(field):
                struct.pack_into("<" + field[0], self.data, at + place, field[1])
        for field, place in zip(fields, places):
            if callable(field):
                struct.pack_into("<I", self.data, at + place, field() - at - place)
        return at

    def text(self, value):
        self.align(4)
        at = len(self.data)
        self.data += struct.pack("<I", len(value)) + value.encode() + b"\0"
        return at

    def tables(self, writers):
        """Writes a vector of tables."""
        self.align(4)
        at = len(self.data)
        self.data += struct.pack("<I", len(writers)) + bytes(4 * len(writers))
        for i, write in enumerate(writers):
            place = at + 4 + 4 * i
            struct.pack_into("<I", self.data, place, write() - place)
        return at

    def structs(self, values, form):
        """Writes a vector of structs of 64-bit numbers."""
        self.align(8)
        self.data += bytes(4)
        at = len(self.data)
        self.data += struct.pack("<I", len(values)) + b"".join(struct.pack(form, *value) for value in values)
        return at

    def finish(self, root):
        struct.pack_into("<I", self.data, 0, root)
        self.align(8)
        return bytes(self.data)


def message(kind, write, body=b""):
    """Encapsulated message; `write` gets the writer and writes the header."""
    flat = Flat()
    data = flat.finish(flat.table(("h", 4), ("B", kind), lambda: write(flat), ("q", len(body))))
    return struct.pack("<II", 0xFFFFFFFF, len(data)) + data + body


def null_stream(columns, batches, rows):
    """Stream of `batches` batches of `rows` rows, all of them null."""
    def schema(flat):
        def field(name):
            return lambda: flat.table(lambda: flat.text(name), ("?", True), ("B", 1), lambda: flat.table(), None, lambda: flat.tables([]))
        return flat.table(("h", 0), lambda: flat.tables([field(name) for name in columns]))

    def batch(flat):
        nodes = [(rows, rows)] * len(columns)
        return flat.table(("q", rows), lambda: flat.structs(nodes, "<qq"), lambda: flat.structs([], "<qq"))

    return message(1, schema) + message(3, batch) * batches + struct.pack("<II", 0xFFFFFFFF, 0)

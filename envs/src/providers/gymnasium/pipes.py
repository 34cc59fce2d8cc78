"""The pipes to `host.rs`, which has the format of messages.

A part of the program that `host.rs` starts: its files follow one another.
"""

import json
import os
import select
import sys
import time


BELL = bytes(4)
SPIN_SECONDS = 1e-3


typical = 0.0


def read(file, length):
    """At least one byte, at most so many; none at the end of the file.

    Waking a process that sleeps costs more than a small step: so this looks for a while before it sleeps, and leaves its core
    to whom it waits for. Where that takes long, others want the core, and who sleeps has the better claim.
    """
    global typical
    begun = time.perf_counter()
    while typical < SPIN_SECONDS and time.perf_counter() < begun + SPIN_SECONDS:
        try:
            part = os.read(file, length)
            typical = 0.75 * typical
            return part
        except BlockingIOError:
            os.sched_yield()
    select.select([file], [], [])
    typical = (3 * typical + time.perf_counter() - begun) / 4
    return os.read(file, length)


def read_exactly(file, length):
    """So many bytes."""
    message = b""
    while len(message) < length:
        part = read(file, length - len(message))
        if not part:
            raise EOFError
        message += part
    return message


def send(file, message):
    """Writes a message: JSON or, after JSON that announced them, pixels."""
    if not isinstance(message, bytes):
        # Half of a surrogate pair, which no text may hold, arrives as a question mark.
        message = json.dumps(message, allow_nan=False, ensure_ascii=False).encode(errors="replace")
    content = memoryview(len(message).to_bytes(4, sys.byteorder) + message)
    while content:
        content = content[os.write(file, content) :]

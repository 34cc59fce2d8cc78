"""Notes and Python's warnings, each of which appears once, whatever number of processes has it.

A part of the program that `host.rs` starts: its files follow one another.
"""

import fcntl
import hashlib
import os
import sys
import warnings

DIGEST = 16  # bytes


class Notes:
    """Prints texts that no process which shares `file` has printed. The file holds their digests, one after another."""

    def __init__(self, file):
        self.file, self.known_size, self.printed = file, 0, set()

    def print(self, text):
        digest = hashlib.blake2b(text.encode(errors="replace"), digest_size=DIGEST).digest()
        if digest not in self.printed and self.add(digest):
            try:
                print(text, file=sys.stderr)
            except (OSError, ValueError):
                pass  # the environment has closed the stream

    def add(self, digest):
        """Whether this digest is new to the file; it is in there afterwards."""
        fcntl.lockf(self.file, fcntl.LOCK_EX)
        try:
            size = os.fstat(self.file).st_size
            others = os.pread(self.file, size - self.known_size, self.known_size)
            self.printed.update(others[start : start + DIGEST] for start in range(0, len(others), DIGEST))
            self.known_size = size
            is_new = digest not in self.printed
            if is_new:
                os.pwrite(self.file, digest, size)
        finally:
            fcntl.lockf(self.file, fcntl.LOCK_UN)
        return is_new

    def show_warning(self, message, category, filename, lineno, file=None, line=None):
        """Takes the place of `warnings.showwarning`."""
        text = warnings.formatwarning(message, category, filename, lineno, line)
        if file is None:
            self.print(text.rstrip("\n"))
        else:
            file.write(text)

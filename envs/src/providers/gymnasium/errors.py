"""Exceptions as errors of an environment: the cause in the first line, the traceback beneath.

A part of the program that `host.rs` starts: its files follow one another.
"""

import importlib
import sys
import sysconfig
import traceback


def failure():
    """The exception being handled as an answer. One that means the end of the whole process is told apart."""
    error = sys.exc_info()[1]
    return {"exited" if isinstance(error, SystemExit) else "failed": error_text(error)}


def error_text(error):
    """`ValueError: …` in one line, and the traceback without the frames of this program, if any are left."""
    cause = f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")
    if isinstance(error, ModuleNotFoundError):
        cause += f" (searched: {', '.join(module_folders())})"
    frames = error.__traceback__
    while frames is not None and is_uninteresting(frames.tb_frame.f_code.co_filename):
        frames = frames.tb_next
    if frames is None:
        return cause
    return f"{cause}\n{''.join(traceback.format_exception(type(error), error, frames))}".rstrip()


def is_uninteresting(file):
    """Whether this is a file of this program, or of Python's that imports modules."""
    return file in (error_text.__code__.co_filename, importlib.__file__) or file.startswith("<frozen importlib")


def module_folders():
    """Where modules are looked for: the current folder, those of PYTHONPATH and of packages, without Python's own."""
    standard = sysconfig.get_path("stdlib")
    return [folder for folder in sys.path if folder not in (standard, f"{standard}/lib-dynload") and not folder.endswith(".zip")]


def shown(value):
    """A value in an error: short, with its shape or length where it has one."""
    text = repr(value)
    shape = f" of shape {value.shape}" if hasattr(value, "shape") else f" of {len(value)}" if isinstance(value, (list, tuple)) else ""
    return f"{type(value).__name__}{shape} {text if len(text) <= 80 else text[:80] + '...'}"

"""The program: answers the bell and requests until it is told to end. The last of its files.

Usage: python -u - COMMANDS ANSWERS MEMORY NOTES, four inherited descriptors.
"""

import ctypes
import faulthandler
import json
import os
import signal
import sys
import warnings


def serve(host, commands, answers):
    """Answers the bell and requests until it is told to end."""
    while header := read(commands, 4):
        if header == BELL:
            if failures := host.answer_bell():
                send(answers, failures)
            else:
                os.write(answers, BELL)
            continue
        request = json.loads(read_exactly(commands, int.from_bytes(header, sys.byteorder)))
        (verb, fields), = request.items()
        if verb == "end":
            break
        for message in replies(host, verb, fields):
            send(answers, message)


def replies(host, verb, fields):
    """The messages that answer a request."""
    try:
        if verb == "call" and not host.has(fields["row"], fields["name"]):
            return [{"missing": fields["name"]}]
        value = getattr(host, verb)(**fields)
    except Undrawn as error:
        return [{"undrawn": str(error)}]
    except BaseException:
        return [failure()]
    if isinstance(value, np.ndarray):
        height, width, _ = value.shape
        return [{"value": [width, height]}, value.tobytes()]
    return [{"value": value}]


def leave_signals_to_the_learner():
    """What is sent to all is for the learner to answer. Caught, not ignored: programs that environments start do not inherit that."""
    usual = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    for name in usual:
        signal.signal(name, lambda *_: None)
    # Nor do processes that Python itself forks, multiprocessing's say; a signal that comes meanwhile waits.
    masks = []

    def block():
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, usual))

    def unblock():
        signal.pthread_sigmask(signal.SIG_SETMASK, masks.pop())

    def restore():
        for pair in usual.items():
            signal.signal(*pair)
        unblock()

    os.register_at_fork(before=block, after_in_parent=unblock, after_in_child=restore)


def set_headless():
    """Has libraries draw without a display where there is none; what the user has set stays. The variables set."""
    environ = os.environ
    if sys.platform != "linux" or environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"):
        return {}
    usual = {"SDL_VIDEODRIVER": "dummy", "PYGLET_HEADLESS": "true"}
    if "MUJOCO_GL" not in environ and "PYOPENGL_PLATFORM" not in environ:
        try:
            # Where it is missing, MuJoCo could not even be imported with it.
            ctypes.CDLL("libEGL.so.1")
            usual |= {"MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "egl"}
        except OSError:
            pass
    added = {name: value for name, value in usual.items() if name not in environ}
    environ.update(added)
    return added


def main():
    global gymnasium, notes, np, spaces
    leave_signals_to_the_learner()
    # Modules are found wherever an environment goes.
    sys.path[:] = [os.path.abspath(folder) for folder in sys.path]
    commands, answers, memory, printed = descriptors = [int(number) for number in sys.argv[1:]]
    # Environments look at the arguments and start programs, too.
    del sys.argv[1:]
    # multiprocessing would have its children run the program of this name, `<stdin>`.
    globals().pop("__file__", None)
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    os.set_blocking(commands, False)
    faulthandler.enable()
    notes = Notes(printed)
    warnings.showwarning = notes.show_warning
    headless = set_headless()
    try:
        import gymnasium
        import numpy as np
        from gymnasium import spaces
    except ImportError as error:
        send(answers, {"failed": f"has no Gymnasium ({type(error).__name__}: {error})"})
        return
    if int(gymnasium.__version__.split(".")[0]) < 1:
        send(answers, {"failed": f"has Gymnasium {gymnasium.__version__}, and 1.0 or later is needed"})
        return
    send(answers, {"value": None})
    serve(Host(memory, headless), commands, answers)


main()

"""Hosts Gymnasium environments, each a row of a batch; `host.rs` starts it and `mod.rs` shows the memory of a row.

The last part of the program. Usage: python -u - COMMANDS ANSWERS MEMORY NOTES, four inherited
descriptors. A message is its length in four bytes and JSON; an empty one is a bell: all rows obey that have a command and this
bell's number in their memory, and an empty answer says that all went well.
"""

import ctypes
import faulthandler
import importlib
import json
import math
import mmap
import os
import select
import signal
import sys
import time
import warnings

# The memory of a row: places in it, and what stands there.
SEED, REWARD, COMMAND, EPISODE, INFORMS, NUMBER, LIVES, ACTION = 0, 4, 8, 9, 10, 11, 12, 16
REST, FAILED, STEP, RESET, RESET_SEEDED = 0, 1, 2, 3, 4
RUNNING, TERMINATED, TRUNCATED = 0, 1, 2
UNCOUNTED = 2**32 - 1  # lives
BELL = bytes(4)
SPIN_SECONDS = 1e-3  # seconds

# Modules that register a namespace which Gymnasium itself does not know.
REGISTERED_BY = {"ALE": "ale_py"}


class Memory:
    """The shared file, handed out in whole pages."""

    def __init__(self, file):
        self.file, self.size, self.returned = file, 0, {}

    def take(self, length):
        """The offset of a piece that nobody else has, and its length."""
        length = -(-length // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        if offsets := self.returned.get(length):
            return offsets.pop(), length
        offset, self.size = self.size, self.size + length
        os.ftruncate(self.file, self.size)
        return offset, length

    def give_back(self, offset, length):
        self.returned.setdefault(length, []).append(offset)


class Row:
    """An environment and its memory."""

    def __init__(self, env, memory, keys, drop, reward_weights):
        self.env, self.info = env, {}
        self.step, self.reset = env.step, env.reset
        if reward_weights is not None:
            self.step = weighted(env.step, reward_weights)
        observed = selected(env.observation_space, keys, drop)
        self.action, self.observation = action_summary(env.action_space), observation_summary(observed)
        width = action_width(env.action_space)
        self.observation_at = -(-(ACTION + 8 * width) // 64) * 64
        numbers = math.prod(self.observation["shape"])
        dtype = np.uint8 if self.observation["dtype"] == "U8" else np.float32
        self.offset, self.length = memory.take(self.observation_at + numbers * np.dtype(dtype).itemsize)
        region = mmap.mmap(memory.file, self.length, offset=self.offset)
        self.head = memoryview(region)[:ACTION]
        self.head[:] = bytes(ACTION)
        self.seed, self.reward = self.head[SEED : SEED + 4].cast("I"), self.head[REWARD : REWARD + 4].cast("f")
        self.lives = self.head[LIVES : LIVES + 4].cast("I")
        self.lives[0] = UNCOUNTED
        action_dtype = np.float32 if "box" in self.action else np.int64
        self.read_action = action_reader(env.action_space, np.frombuffer(region, action_dtype, width, ACTION))
        view = np.frombuffer(region, dtype, numbers, self.observation_at)
        self.write_observation = observation_writer(observed, view)

    def obey(self):
        """Does what the memory says, if anything, and notes that it did."""
        head = self.head
        command = head[COMMAND]
        if command == STEP:
            observation, reward, terminated, truncated, self.info = self.step(self.read_action())
            try:
                self.reward[0] = reward
            except (TypeError, ValueError):
                several = "; the parameter `reward_weights` makes one of several: a weight for each" if np.ndim(reward) else ""
                raise TypeError(f"the reward is {shown(reward)}, where a number is needed{several}") from None
            head[EPISODE] = TERMINATED if terminated else TRUNCATED if truncated else RUNNING
        elif command > FAILED:
            observation, self.info = self.reset(seed=self.seed[0] if command == RESET_SEEDED else None)
        else:
            return
        self.write_observation(observation)
        if self.info:
            head[INFORMS] = 1
            try:
                self.lives[0] = self.info.get("lives", UNCOUNTED)
            except (AttributeError, TypeError, ValueError):
                self.lives[0] = UNCOUNTED
        elif head[INFORMS]:
            head[INFORMS] = 0
            self.lives[0] = UNCOUNTED
        head[COMMAND] = REST


class Host:
    """All rows, and what can be asked of them."""

    def __init__(self, memory, headless):
        self.rows, self.memory, self.made, self.bell = {}, Memory(memory), 0, 0
        self.headless = headless

    def answer_bell(self):
        """Lets the rows obey that have a command for this bell; the failures by row."""
        failures = {}
        self.bell = bell = (self.bell + 1) % 256
        for number, row in self.rows.items():
            if row.head[NUMBER] == bell:
                try:
                    row.obey()
                except BaseException:
                    row.head[COMMAND] = FAILED
                    failures[number] = failure()
        return failures

    def make(self, name, params, drawn):
        if drawn and self.headless:
            settings = " ".join(f"{name}={value}" for name, value in self.headless.items())
            notes.print(f"there is no display: drawing with {settings}; set these variables to choose otherwise")
        ours = params.pop("keys", None), params.pop("drop", ()), params.pop("reward_weights", None)
        env = make(name, params, drawn)
        row = Row(env, self.memory, *ours)
        self.made += 1
        self.rows[self.made] = row
        return {
            "row": self.made,
            "observation": row.observation,
            "action": row.action,
            "offset": row.offset,
            "length": row.length,
            "observation_at": row.observation_at,
            "frames_per_second": frames_per_second(env.metadata),
        }

    def call(self, row, name, arguments):
        row = self.rows[row]
        if name == "info":
            info = row.info if isinstance(row.info, dict) else {}
            return {str(key): plain(value) for key, value in info.items() if is_numeric(value)}
        value = row.env.get_wrapper_attr(name)
        if not callable(value):
            return plain(value)
        if isinstance(arguments, dict):
            return plain(value(**arguments))
        return plain(value(*(arguments or [])))

    def has(self, row, name):
        """Whether there is a method or attribute of this name."""
        return name == "info" or self.rows[row].env.has_wrapper_attr(name)

    def render(self, row):
        """Lines of pixels; None when there is no picture."""
        env = self.rows[row].env
        picture = env.render() if env.render_mode == "rgb_array" else None
        if picture is None:
            return None
        return pixels(picture)

    def close(self, row):
        row = self.rows.pop(row)
        self.memory.give_back(row.offset, row.length)
        row.env.close()


def pixels(picture):
    """Bytes [height, width, 3] of what render() returned.

    Floats (and booleans) are fractions of 255, unless one is above 1; they are rounded, and clipped to 0..255. A picture with alpha is
    put on white.
    """
    array = np.asarray(picture)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or array.dtype.kind not in "biuf":
        raise ValueError(f"render() returned {shown(picture)}, where (height, width, 3) is needed")
    if array.dtype != np.uint8:
        fractions = array.dtype.kind == "b" or array.dtype.kind == "f" and not (array > 1).any()
        array = np.rint(np.clip(np.nan_to_num(array) * (255.0 if fractions else 1.0), 0, 255)).astype(np.uint8)
    if array.shape[2] == 4:
        share = array[:, :, 3:] / 255.0
        array = np.rint(array[:, :, :3] * share + 255.0 * (1.0 - share))
    return np.ascontiguousarray(array, np.uint8)


def make(name, params, drawn):
    """The environment; one to be drawn has the render mode `rgb_array` if it can draw so, unless another one was asked for."""
    module = name.rpartition(":")[0] or REGISTERED_BY.get(name.split("/")[0])
    if module:
        importlib.import_module(module)
    drawing = {"render_mode": "rgb_array"}
    draws = drawn and can_draw(name, params)
    if draws is None:
        # A function that makes environments may not know of render modes.
        try:
            return gymnasium.make(name, **drawing, **params)
        except TypeError:
            pass
    return gymnasium.make(name, **(drawing if draws else {}), **params)


def can_draw(name, params):
    """Whether to ask for `rgb_array`; None when nothing but asking tells."""
    spec = gymnasium.registry.get(name.rpartition(":")[2])
    if spec is None or "render_mode" in params or "render_mode" in spec.kwargs:
        return False
    creator = spec.entry_point
    if isinstance(creator, str):
        creator = gymnasium.envs.registration.load_env_creator(creator)
    metadata = getattr(creator, "metadata", None)
    if metadata is None:
        return None
    # The second is what the key was before Gymnasium.
    modes = metadata.get("render_modes") or metadata.get("render.modes") if isinstance(metadata, dict) else None
    return isinstance(modes, (list, tuple, set)) and "rgb_array" in modes


def frames_per_second(metadata):
    """`render_fps` of the metadata; 30 unless it is a number of pictures."""
    try:
        number = float(metadata["render_fps"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return 30.0
    return number if math.isfinite(number) and number > 0 else 30.0


def is_numeric(value):
    """Whether this is a number or a short array of numbers: pictures would take longer to write than a step takes."""
    if isinstance(value, np.ndarray) and value.size > 100:
        return False
    return isinstance(value, (bool, int, float, np.generic, np.ndarray)) and np.asarray(value).dtype.kind in "biuf"


def plain(value):
    """The value as JSON has it: arrays are lists, a number that is not finite is null."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, np.floating):
        value = float(value)  # one of more bits than Python's
    if isinstance(value, dict):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"a {type(value).__name__} cannot be written as JSON")


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
        send(answers, {"failed": f"{type(error).__name__}: {error}"})
        return
    send(answers, {"value": None})
    serve(Host(memory, headless), commands, answers)


main()

"""All rows of a process, and what can be asked of them.

A part of the program that `host.rs` starts: its files follow one another.
"""

import math


class Undrawn(Exception):
    """An environment never draws."""


class Host:
    """All rows, and what can be asked of them."""

    def __init__(self, memory, headless):
        self.rows, self.memory, self.made, self.bell = {}, Memory(memory), 0, 0
        self.unadded = None
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
        """Makes an environment, which is to be added."""
        if drawn and self.headless:
            settings = " ".join(f"{name}={value}" for name, value in self.headless.items())
            notes.print(f"there is no display: drawing with {settings}; set these variables to choose otherwise")
        self.unadded = make(name, params, drawn), repr((name, params))

    def add(self, keys, drop, reward_weights, masks):
        """Adds the environment that was made last as a row. One with choices may be reset, to look for a mask."""
        (env, made_of), self.unadded = self.unadded, None
        row = Row(env, self.memory, keys, drop, reward_weights, made_of if masks else None)
        self.made += 1
        self.rows[self.made] = row
        return {
            "row": self.made,
            "observation": row.observation,
            "action": row.action,
            "starts": row.starts,
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
        """Lines of pixels; None when there is no picture yet."""
        env = self.rows[row].env
        if reason := why_undrawn(env):
            raise Undrawn(reason)
        try:
            return pixels(env.render())
        except NotImplementedError:
            raise Undrawn("it does not implement `render`") from None

    def close(self, row):
        row = self.rows.pop(row)
        self.memory.give_back(row.offset, row.length)
        row.env.close()


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

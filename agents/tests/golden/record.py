"""Records what PyTorch's distributions return, for `cargo test -p phalanx-agents --test golden`.

Usage: record.py > distributions.json

Everything is computed in 64 bits from inputs that f32 holds exactly. A case has an action space, settings, and rows: outputs and log
deviations of the network, those of an older policy, a mask, and an action. Gradients are those over the outputs, then over the log deviations.
"""
import json
import sys

import torch
from torch.distributions import Bernoulli, Categorical, Normal, kl_divergence
from torch.distributions.transforms import TanhTransform

torch.set_default_dtype(torch.float64)
GENERATOR = torch.Generator().manual_seed(16)


def numbers(*shape, scale=1.0):
    return (scale * torch.randn(*shape, generator=GENERATOR)).float().double()


def discrete(n):
    return {"Discrete": {"n": n}}


def multi_discrete(*n):
    return {"MultiDiscrete": {"n": list(n)}}


def multi_binary(n):
    return {"MultiBinary": {"n": n}}


def box(low, high):
    return {"Box": {"shape": [len(low)], "low": low, "high": high, "dtype": "F32"}}


def leaves(space):
    [(kind, content)] = space.items()
    if kind in ("Dict", "Tuple"):
        parts = [part for _, part in content] if kind == "Dict" else content
        return [leaf for part in parts for leaf in leaves(part)]
    return [(kind, content)]


class Choice:
    """One choice among the legal options of a mask."""

    def __init__(self, options):
        self.outputs, self.options = options, options

    def of(self, logits, mask):
        legal = [i for i in range(self.options) if mask is None or mask[i]]
        return Categorical(logits=logits[legal]), legal

    def terms(self, logits, old, mask, choice):
        new, legal = self.of(logits, mask)
        taken = torch.tensor(legal.index(choice))
        return new.log_prob(taken), new.entropy(), kl_divergence(self.of(old, mask)[0], new)

    def mode(self, logits, mask):
        new, legal = self.of(logits, mask)
        return legal[int(new.mode)]

    def draw(self, mask):
        legal = [i for i in range(self.options) if mask is None or mask[i]]
        return legal[int(torch.randint(len(legal), (), generator=GENERATOR))]


class Bit:
    """One bit; where a mask forces it, there is nothing to be random."""

    outputs, options = 1, 2

    def terms(self, logits, old, mask, choice):
        if mask is not None and not all(mask):
            return (torch.zeros(()),) * 3
        new = Bernoulli(logits=logits[0])
        return new.log_prob(torch.tensor(float(choice))), new.entropy(), kl_divergence(Bernoulli(logits=old[0]), new)

    def mode(self, logits, mask):
        if mask is not None and not all(mask):
            return mask.index(1)
        return int(Bernoulli(logits=logits[0]).mode)

    def draw(self, mask):
        legal = [i for i in range(2) if mask is None or mask[i]]
        return legal[int(torch.randint(len(legal), (), generator=GENERATOR))]


class Numbers:
    """Numbers of a box, with the deviations of the network or parameters, squashed or not."""

    def __init__(self, low, high, settings):
        self.n = len(low)
        self.settings = settings
        self.half = (torch.tensor(high) - torch.tensor(low)) / 2
        self.is_output = settings.get("std") == "output"
        self.outputs = 2 * self.n if self.is_output else self.n
        self.log_std = 0 if self.is_output else self.n

    def of(self, outputs, log_std):
        if self.is_output:
            low, high = (torch.tensor(self.settings[key]).log() for key in ("min_std", "max_std"))
            log_std = outputs[self.n:].clamp(low, high)
        return Normal(outputs[: self.n], log_std.exp())

    def terms(self, outputs, log_std, old, old_log_std, action):
        new = self.of(outputs, log_std)
        log_prob, entropy = new.log_prob(action), new.entropy()
        if self.settings.get("action_scaling") == "squash":
            # u = mean + std·z at the z of the action, so that the gradient moves u.
            z = ((action - new.mean) / new.stddev).detach()

            def slope(u):
                return TanhTransform().log_abs_det_jacobian(u, u.tanh()) + self.half.log()

            log_prob = log_prob - slope(action)
            entropy = entropy + slope(new.mean + new.stddev * z)
        divergence = kl_divergence(self.of(old, old_log_std), new)
        return log_prob.sum(), entropy.sum(), divergence.sum()


def parts_of(space, settings):
    for kind, content in leaves(space):
        if kind == "Discrete":
            yield Choice(content["n"])
        elif kind == "MultiDiscrete":
            yield from map(Choice, content["n"])
        elif kind == "MultiBinary":
            yield from [Bit() for _ in range(content["n"])]
        else:
            yield Numbers(content["low"], content["high"], settings)


def mask_of(parts):
    mask = []
    for part in parts:
        if not isinstance(part, Numbers):
            legal = torch.rand(part.options, generator=GENERATOR) < 0.6
            legal[torch.randint(part.options, (), generator=GENERATOR)] = True
            mask += [int(is_legal) for is_legal in legal]
    return mask


def record_row(parts, scale, is_masked):
    total = sum(part.outputs for part in parts)
    deviations = sum(part.log_std for part in parts if isinstance(part, Numbers))
    outputs, old = numbers(total, scale=scale), numbers(total, scale=scale)
    log_std, old_log_std = numbers(deviations, scale=0.5), numbers(deviations, scale=0.5)
    mask = mask_of(parts) if is_masked else None
    given = {
        "outputs": outputs.tolist(), "log_std": log_std.tolist(), "mask": mask,
        "old_outputs": old.tolist(), "old_log_std": old_log_std.tolist(),
    }
    outputs.requires_grad_(), log_std.requires_grad_()
    sums, choices, taken, modes, means = [torch.zeros(())] * 3, [], [], [], []
    at = option = deviation = 0
    for part in parts:
        own = slice(at, at + part.outputs)
        at += part.outputs
        if isinstance(part, Numbers):
            spread = slice(deviation, deviation + part.log_std)
            deviation += part.log_std
            action = numbers(part.n, scale=scale)
            terms = part.terms(outputs[own], log_std[spread], old[own], old_log_std[spread], action)
            taken += action.tolist()
            means += outputs[own][: part.n].tolist()
        else:
            legal = mask[option: option + part.options] if mask else None
            option += part.options
            choice = part.draw(legal)
            terms = part.terms(outputs[own], old[own], legal, choice)
            choices.append(choice)
            modes.append(part.mode(outputs[own], legal))
        sums = [total + term for total, term in zip(sums, terms)]
    row = {**given, "choices": choices, "numbers": taken, "mode_choices": modes, "mode_numbers": means}
    for name, term in zip(("log_prob", "entropy", "kl"), sums):
        slopes = [torch.zeros_like(x) for x in (outputs, log_std)]
        if term.requires_grad:
            found = torch.autograd.grad(term, (outputs, log_std), retain_graph=True, allow_unused=True)
            slopes = [slope if found is None else found for slope, found in zip(slopes, found)]
        row[name] = term.item()
        row[f"d_{name}"] = torch.cat(slopes).tolist()
    return row


UNIT, WIDE = box([-1.0, -1.0], [1.0, 1.0]), box([10.0, -1000.0, -0.5], [20.0, 1000.0, 0.25])
PRODUCT = {"Dict": [["aim", WIDE], ["inner", {"Tuple": [multi_binary(3), discrete(4)]}], ["move", multi_discrete(3, 2)]]}
BOUNDS = {"min_std": 0.25, "max_std": 2.0}
CASES = [
    (discrete(5), {}),
    (multi_discrete(3, 2, 4), {}),
    (multi_binary(4), {}),
    (UNIT, {}),
    (WIDE, {"std": "output", **BOUNDS}),
    (WIDE, {"action_scaling": "squash"}),
    (WIDE, {"action_scaling": "squash", "std": "output", **BOUNDS}),
    (PRODUCT, {}),
    (PRODUCT, {"action_scaling": "squash", "std": "output", **BOUNDS}),
]


def main():
    cases = []
    for space, settings in CASES:
        parts = list(parts_of(space, settings))
        maskings = [False, True] if any(not isinstance(part, Numbers) for part in parts) else [False]
        # The last scale is one of policies that have made up their mind.
        rows = [record_row(parts, scale, masked) for masked in maskings for scale in (1.0, 1.0, 4.0)]
        scaling = settings.get("action_scaling", "clip")
        settings = {key: value for key, value in settings.items() if key != "action_scaling"}
        cases.append({"space": space, "action_scaling": scaling, "network": settings, "rows": rows})
    file = {"torch": torch.__version__, "cases": cases}
    json.dump(file, sys.stdout, indent=None, separators=(",", ":"))
    print()


if __name__ == "__main__":
    main()

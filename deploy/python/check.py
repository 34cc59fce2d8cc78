"""Checks the package against numpy: `check.py POLICY PARAMETERS`, run by a test that writes both.

The policy reads {"x": [2] floats, "choice": 5, 6 or 7} and acts {"gear": −1 or 0, "aim": [2] in ±10}: W·(x, one-hot) + b, without hidden layers.
"""
import sys

import numpy as np
from phalanx_policy import Policy, PolicyError

policy = Policy(sys.argv[1])
parameters = np.fromfile(sys.argv[2], np.float32)
gear_weight, gear_bias = parameters[:10].reshape(2, 5), parameters[10:12]
aim_weight, aim_bias = parameters[12:22].reshape(2, 5), parameters[22:24]

generator = np.random.default_rng(3)
x, choice = generator.normal(size=(7, 2)).astype(np.float32), generator.integers(3, size=7)
read = np.concatenate([x, np.eye(3)[choice]], axis=1)
gear = (read @ gear_weight.T + gear_bias).argmax(axis=1)
aim = np.clip(10 * (read @ aim_weight.T + aim_bias), -10, 10)

batch = policy.act({"x": x, "choice": choice + 5})
assert batch["gear"].tolist() == (gear - 1).tolist(), (batch, gear)
np.testing.assert_allclose(batch["aim"], aim, rtol=1e-5, atol=1e-5)
for row in range(7):
    one = policy.act({"x": x[row], "choice": choice[row] + 5})
    assert one["gear"] == gear[row] - 1 and isinstance(one["gear"], int) and one["aim"].shape == (2,), one
    np.testing.assert_allclose(one["aim"], aim[row], rtol=1e-5, atol=1e-5)

# Drawn: a softmax of gears, and normal numbers of deviations ½ and ¼ before they are scaled.
assert policy.spaces["action.gear"]["start"] == [-1] and policy.spaces["observation.choice"]["start"] == [5], policy.spaces
assert policy.spaces["action.aim"]["unit"] == ["rad", "rad"] and policy.spaces["observation.x"]["unit"] == []
# The observation whose numbers are most within their bounds.
at = np.abs(read @ aim_weight.T + aim_bias).max(axis=1).argmin()
rows = 20_000
many = {"x": np.repeat(x[at : at + 1], rows, axis=0), "choice": np.repeat(choice[at : at + 1] + 5, rows)}
drawn, log_prob = policy.sample(many, seed=7)
logits = gear_weight @ read[at] + gear_bias
probability = np.exp(logits) / np.exp(logits).sum()
mean, deviation = aim_weight @ read[at] + aim_bias, np.array([0.5, 0.25])
option = drawn["gear"] + 1
assert set(option.tolist()) == {0, 1}
share = (option == 1).mean()
assert abs(share - probability[1]) < 5 * np.sqrt(probability.prod() / rows), (share, probability)
inside = (np.abs(drawn["aim"]) < 10).all(axis=1)
noise = (drawn["aim"] / 10 - mean) / deviation
expected = np.log(probability)[option] - (noise**2 / 2 + np.log(deviation) + np.log(2 * np.pi) / 2).sum(axis=1)
np.testing.assert_allclose(log_prob[inside], expected[inside], rtol=1e-4, atol=1e-4)
assert inside.sum() > 1000
again, _ = policy.sample(many, seed=7)
other, _ = policy.sample(many)
assert (again["aim"] == drawn["aim"]).all() and not (other["aim"] == drawn["aim"]).all()
action, log_prob = policy.sample({"x": x[0], "choice": choice[0] + 5})
assert isinstance(action["gear"], int) and isinstance(log_prob, float)
policy.reset()
policy.selftest()

for wrong, message in [
    (lambda: Policy("none.phx"), "cannot read none.phx"),
    (lambda: Policy(__file__), "not a policy file"),
    (lambda: policy.act({"x": x}), "this policy reads observation.x, observation.choice, and the observation does not"),
    (lambda: policy.act(x), "this policy reads observation.x, observation.choice, and the observation does not"),
    (lambda: policy.act({"x": x[:, :1], "choice": choice}), "observation.x has shape (7, 1), and this policy reads (7, 2)"),
]:
    try:
        wrong()
    except PolicyError as error:
        assert message in str(error), error
    else:
        raise AssertionError(message)

"""Checks the package against numpy: `check.py POLICY PARAMETERS`, run by a test that writes both.

The policy reads {"x": [2] floats, "choice": one of 3} and acts {"gear": one of 2, "aim": [2] in ±10}: W·(x, one-hot) + b, without hidden layers.
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

batch = policy.act({"x": x, "choice": choice})
assert batch["gear"].tolist() == gear.tolist(), (batch, gear)
np.testing.assert_allclose(batch["aim"], aim, rtol=1e-5, atol=1e-5)
for row in range(7):
    one = policy.act({"x": x[row], "choice": choice[row]})
    assert one["gear"] == gear[row] and isinstance(one["gear"], int) and one["aim"].shape == (2,), one
    np.testing.assert_allclose(one["aim"], aim[row], rtol=1e-5, atol=1e-5)
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

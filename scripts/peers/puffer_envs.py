"""PufferLib under random actions, drawn beforehand: its Serial vectorisation, or (`--vector c`) its own C CartPole."""

from bench import Clock, arguments, random_actions
from puffer_vector import vectorised

args = arguments("--vector")
envs = vectorised(args, statistics=False)
envs.async_reset(seed=1)
actions = random_actions(envs.single_action_space, args.rows)
clock = Clock(args.seconds)
goes_on = True
while goes_on:
    for action in actions:
        envs.recv()
        envs.send(action)
    goes_on = clock.runs_on(len(actions) * args.rows)
clock.report("pufferlib", "gymnasium", "numpy")

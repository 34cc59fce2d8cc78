"""Gymnasium: its SyncVectorEnv or AsyncVectorEnv under random actions, drawn beforehand."""

import gymnasium
from bench import Clock, arguments, random_actions

args = arguments("--vector")
envs = gymnasium.make_vec(args.env, num_envs=args.rows, vectorization_mode=args.vector)
envs.reset(seed=1)
actions = random_actions(envs.single_action_space, args.rows)
clock = Clock(args.seconds)
goes_on = True
while goes_on:
    for action in actions:
        envs.step(action)
    goes_on = clock.runs_on(len(actions) * args.rows)
clock.report("gymnasium", "numpy")
envs.close()

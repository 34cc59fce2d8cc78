"""Stable-Baselines3: its SubprocVecEnv, a process for each environment, under random actions, drawn beforehand."""

import functools

import gymnasium
from bench import Clock, arguments, random_actions
from stable_baselines3.common.vec_env import SubprocVecEnv

args = arguments()
# Forked, they are there at once; by default each imports torch first. Steps cost the same.
envs = SubprocVecEnv([functools.partial(gymnasium.make, args.env)] * args.rows, start_method="fork")
envs.reset()
actions = random_actions(envs.action_space, args.rows)
clock = Clock(args.seconds)
goes_on = True
while goes_on:
    for action in actions:
        envs.step(action)
    goes_on = clock.runs_on(len(actions) * args.rows)
clock.report("stable-baselines3", "gymnasium", "numpy")
envs.close()

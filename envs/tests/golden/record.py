"""Records trajectories of Gymnasium's environments for `cargo test -p phalanx-envs --test golden`.

Usage: record.py NAME... [--seed N] [--episodes N] [--steps N] [--beyond X] [--out FOLDER]

Classic control and MuJoCo environments; README.md describes the files. Actions are held for a while, so that the
environment gets somewhere, and lie up to X times their bounds.
"""
import argparse
import importlib.metadata
import json
import pathlib

import gymnasium
import numpy


def initial_state(env):
    if hasattr(env, "data"):
        return [*env.data.qpos.tolist(), *env.data.qvel.tolist()]
    return numpy.asarray(env.state, dtype=numpy.float64).tolist()


def restart(env, state):
    """Puts a MuJoCo environment where a test puts ours: nothing of the reset is left but the numbers."""
    import mujoco

    mujoco.mj_resetData(env.model, env.data)
    positions = env.model.nq
    env.data.qpos[:], env.data.qvel[:] = state[:positions], state[positions:]
    mujoco.mj_forward(env.model, env.data)


def draw(space, beyond, generator):
    if isinstance(space, gymnasium.spaces.Discrete):
        return int(generator.integers(space.n))
    low, high = beyond * space.low, beyond * space.high
    return generator.uniform(low, high).astype(numpy.float32)


def record(name, seed, episodes, steps, beyond):
    env = gymnasium.make(name).unwrapped
    generator = numpy.random.default_rng(seed)
    recorded = []
    for episode in range(episodes):
        env.reset(seed=seed + episode)
        state = initial_state(env)
        if hasattr(env, "data"):
            restart(env, state)
        actions, observations, rewards, terminated = [], [], [], []
        for step in range(steps):
            if step % 4 == 0:
                action = draw(env.action_space, beyond, generator)
            observation, reward, ended, _, _ = env.step(action)
            actions.append(numpy.asarray(action).tolist())
            observations.append(numpy.asarray(observation, dtype=numpy.float64).tolist())
            rewards.append(float(reward))
            terminated.append(bool(ended))
            if ended and not hasattr(env, "data"):
                break
        recorded.append(
            {
                "initial_state": state,
                "actions": actions,
                "observations": observations,
                "rewards": rewards,
                "terminated": terminated,
            }
        )
    versions = {"gymnasium": gymnasium.__version__}
    if hasattr(env, "data"):
        versions["mujoco"] = importlib.metadata.version("mujoco")
    return {"env": name, **versions, "seed": seed, "episodes": recorded}


def main():
    parser = argparse.ArgumentParser(description="Records trajectories of Gymnasium's environments.")
    parser.add_argument("names", nargs="+", metavar="NAME")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--beyond", type=float, default=1.2)
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("."))
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        recording = record(name, arguments.seed, arguments.episodes, arguments.steps, arguments.beyond)
        (arguments.out / f"{name}.json").write_text(json.dumps(recording))


if __name__ == "__main__":
    main()

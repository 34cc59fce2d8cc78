"""PufferLib's environments: Gymnasium's in its Serial vectorisation, or (`--vector c`) its own C CartPole."""

import gymnasium
import pufferlib.emulation
import pufferlib.vector


def vectorised(args, statistics):
    """All rows as one; with `statistics`, returns and lengths of episodes are recorded, as its users do in training."""
    if args.vector == "c":
        from pufferlib.ocean.cartpole.cartpole import Cartpole

        # Every 128 steps it gathers its statistics, as others of its environments do; its default is every step.
        return pufferlib.vector.make(Cartpole, env_kwargs={"num_envs": args.rows, "report_interval": 128})

    def creator(buf=None, seed=0):
        # Version 5 of MuJoCo's tasks came after this Gymnasium.
        name = args.env if args.env in gymnasium.registry else args.env.replace("-v5", "-v4")
        env = gymnasium.make(name)
        env = pufferlib.EpisodeStats(env) if statistics else env
        return pufferlib.emulation.GymnasiumPufferEnv(env=env, buf=buf, seed=seed)

    return pufferlib.vector.make(creator, num_envs=args.rows, backend=pufferlib.vector.Serial)

//! The packages and what is tried of each.

use std::fs;

use anyhow::{Context, Result};
use serde_json::{Map, Value};

use super::scripts;

/// A package of environments.
#[derive(Clone, Copy)]
pub struct Package {
    /// As it is installed; `NAME.txt` in `scripts/zoo/` has its pinned requirements, its own first.
    pub name: &'static str,
    pub environments: &'static [Environment],
}

/// An environment of a package.
pub struct Environment {
    /// What follows `gymnasium:` in a configuration.
    pub id: &'static str,
    /// What else `env` needs in a configuration, in JSON.
    pub env: &'static str,
    /// Whether observations are pictures, for which the network has convolutions.
    pub pictures: bool,
}

/// One that needs nothing but its id.
const fn plain(id: &'static str) -> Environment {
    Environment { id, env: "{}", pictures: false }
}

/// One with more settings.
const fn with(id: &'static str, env: &'static str) -> Environment {
    Environment { id, env, pictures: false }
}

/// One whose observations are pictures.
const fn pictures(id: &'static str, env: &'static str) -> Environment {
    Environment { id, env, pictures: true }
}

const ATARI: &str = r#"{"params": {"frameskip": 1, "repeat_action_probability": 0.0, "obs_type": "grayscale"}, "wrappers": ["atari"]}"#;

pub const PACKAGES: &[Package] = &[
    Package { name: "ale-py", environments: &[pictures("ALE/Breakout-v5", ATARI)] },
    Package { name: "buffalo-gym", environments: &[plain("buffalo_gym:Buffalo-v0")] },
    Package { name: "flappy-bird-gymnasium", environments: &[plain("flappy_bird_gymnasium:FlappyBird-v0")] },
    Package { name: "gym-anytrading", environments: &[plain("gym_anytrading:stocks-v0")] },
    Package { name: "gym-electric-motor", environments: &[plain("gym_electric_motor:Cont-CC-PMSM-v0")] },
    Package { name: "gym-hil", environments: &[plain("gym_hil:gym_hil/PandaPickCubeBase-v0")] },
    Package { name: "gym-multigrid", environments: &[plain("gym_multigrid:multigrid-collect-single-v0")] },
    Package { name: "gym-pusht", environments: &[plain("gym_pusht:gym_pusht/PushT-v0")] },
    Package { name: "gym-simplegrid", environments: &[plain("gym_simplegrid:SimpleGrid-8x8-v0")] },
    Package {
        name: "gymnasium",
        environments: &[
            plain("Acrobot-v1"),
            plain("BipedalWalker-v3"),
            plain("Blackjack-v1"),
            pictures("CarRacing-v3", "{}"),
            plain("CliffWalking-v1"),
            plain("FrozenLake-v1"),
            plain("HalfCheetah-v5"),
            plain("LunarLander-v3"),
            plain("Taxi-v4"),
        ],
    },
    Package {
        name: "gymnasium-2048",
        environments: &[plain("gymnasium_2048:gymnasium_2048/TwentyFortyEight-v0")],
    },
    Package {
        name: "gymnasium-robotics",
        environments: &[
            plain("gymnasium_robotics:PointMaze_UMazeDense-v3"),
            plain("gymnasium_robotics:FetchReachDense-v4"),
        ],
    },
    Package { name: "gymnasium-snake-game", environments: &[plain("gymnasium_snake_game:Snake-v1")] },
    Package {
        name: "highway-env",
        environments: &[plain("highway_env:highway-fast-v0"), plain("highway_env:parking-v0")],
    },
    Package { name: "memory-gym", environments: &[pictures("memory_gym:MysteryPath-Grid-v0", "{}")] },
    Package {
        name: "metaworld",
        environments: &[with("metaworld:Meta-World/MT1", r#"{"params": {"env_name": "reach-v3"}}"#)],
    },
    Package {
        name: "minigrid",
        environments: &[with("minigrid:MiniGrid-Empty-5x5-v0", r#"{"params": {"drop": ["mission"]}}"#)],
    },
    Package {
        name: "minihack",
        environments: &[with(
            "minihack:MiniHack-Room-5x5-v0",
            r#"{"params": {"observation_keys": ["glyphs_crop", "blstats"]}}"#,
        )],
    },
    Package { name: "miniworld", environments: &[pictures("miniworld:MiniWorld-Hallway-v0", "{}")] },
    Package {
        name: "mo-gymnasium",
        environments: &[
            with("mo_gymnasium:deep-sea-treasure-v0", r#"{"params": {"reward_weights": [1, 0.1]}}"#),
            with("mo_gymnasium:mo-halfcheetah-v5", r#"{"params": {"reward_weights": [1, 0.1]}}"#),
        ],
    },
    Package {
        name: "nle",
        environments: &[with(
            "nle:NetHackScore-v0",
            r#"{"params": {"observation_keys": ["glyphs", "blstats"]}, "time_limit": 500}"#,
        )],
    },
    Package { name: "panda-gym", environments: &[plain("panda_gym:PandaReachDense-v3")] },
    Package {
        name: "popgym",
        environments: &[
            plain("popgym:popgym-RepeatPreviousEasy-v0"),
            plain("popgym:popgym-PositionOnlyCartPoleEasy-v0"),
        ],
    },
    Package {
        name: "pybullet-envs-gymnasium",
        environments: &[plain("pybullet_envs_gymnasium:HopperBulletEnv-v0")],
    },
    Package { name: "PyFlyt", environments: &[plain("PyFlyt.gym_envs:PyFlyt/QuadX-Hover-v4")] },
    Package { name: "sai-pygame", environments: &[plain("sai_pygame:SquidHunt-v0")] },
    Package {
        name: "shimmy",
        environments: &[
            plain("shimmy:dm_control/cartpole-swingup-v0"),
            plain("shimmy:dm_control/walker-walk-v0"),
        ],
    },
    Package {
        name: "tetris-gymnasium",
        environments: &[plain("tetris_gymnasium.envs:tetris_gymnasium/Tetris")],
    },
    Package { name: "vizdoom", environments: &[pictures("vizdoom.gymnasium_wrapper:VizdoomBasic-v1", "{}")] },
];

impl Package {
    /// Name of the file with its requirements.
    pub fn requirements(&self) -> String {
        format!("{}.txt", self.name)
    }

    /// The pinned version of the package itself.
    ///
    /// # Errors
    /// Its requirements cannot be read, or do not begin with it.
    pub fn version(&self) -> Result<String> {
        let path = scripts().join(self.requirements());
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let first = text
            .lines()
            .next()
            .and_then(|line| line.split_once("=="))
            .filter(|(name, _)| name.split('[').next().is_some_and(|name| name == self.name));
        let (_, version) =
            first.with_context(|| format!("{} does not begin with {}==", path.display(), self.name))?;
        Ok(version.to_owned())
    }
}

impl Environment {
    /// What else `env` needs in a configuration.
    ///
    /// # Errors
    /// It is no JSON object.
    pub fn settings(&self) -> Result<Map<String, Value>> {
        serde_json::from_str(self.env).with_context(|| format!("the settings of {}", self.id))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn packages_are_sorted_and_have_environments() {
        assert!(PACKAGES.is_sorted_by_key(|package| package.name.to_lowercase()));
        assert!(PACKAGES.iter().all(|package| !package.environments.is_empty()));
    }

    #[test]
    fn every_package_has_pinned_requirements_and_settings_that_can_be_read() {
        for package in PACKAGES {
            package.version().unwrap();
            let text = fs::read_to_string(scripts().join(package.requirements())).unwrap();
            assert!(text.lines().all(|line| line.contains("==")), "{}", package.name);
            for environment in package.environments {
                environment.settings().unwrap();
            }
        }
    }
}

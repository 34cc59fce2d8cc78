//! Wrappers that scale pictures.

use super::{Clock, pixels, refusal, reset_pixels, wrapped};
use crate::wrappers::WrapperSpec;
use crate::{Action, Dtype, Env, EnvError, Episode, Row, Space, Step};

/// Shows one picture.
struct Picture {
    shown: Vec<u8>,
    observation_space: Space,
    action_space: Space,
}

impl Picture {
    fn new(shape: &[usize], shown: Vec<u8>) -> Self {
        let (low, high) = (vec![0.0; shown.len()], vec![255.0; shown.len()]);
        let observation_space = Space::Box { shape: shape.to_vec(), low, high, dtype: Dtype::U8 };
        Self { shown, observation_space, action_space: Space::Discrete { n: 2 } }
    }
}

impl Env for Picture {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        observation.u8().copy_from_slice(&self.shown);
        Ok(())
    }

    fn step(&mut self, _action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        observation.u8().copy_from_slice(&self.shown);
        Ok(Step { reward: 0.0, episode: Episode::Running })
    }
}

#[test]
fn resize_averages_areas() {
    // Three lines become two: the middle one counts half for each. (0 + 30/2)/1.5 = 10 and (30/2 + 90)/1.5 = 70.
    let mut env = wrapped(Picture::new(&[3, 1], vec![0, 30, 90]), r#"{"resize": {"height": 2, "width": 1}}"#);
    assert_eq!(reset_pixels(&mut **env.as_mut().unwrap(), 0), [10, 70]);
    let spec = r#"{"resize": {"height": 0, "width": 4}}"#;
    assert!(refusal(wrapped(pixels(), spec)).contains("at least 1"));
    let flat = Picture::new(&[4], vec![0; 4]);
    assert!(refusal(wrapped(flat, r#"{"resize": {"height": 1, "width": 4}}"#)).contains("[H, W]"));
    assert!(refusal(wrapped(Clock::new(9), r#"{"resize": {"height": 1, "width": 4}}"#)).contains("bytes"));
}

#[test]
fn resize_does_as_opencv() {
    #[derive(serde::Deserialize)]
    struct Recorded {
        shape: Vec<usize>,
        size: [usize; 2],
        shown: Vec<u8>,
    }
    let recorded: Vec<Recorded> =
        serde_json::from_str(include_str!("../../../tests/golden/atari/resize.json")).unwrap();
    for Recorded { shape, size: [height, width], shown } in recorded {
        let pattern = (0..shape.iter().product()).map(|i: usize| (i * i / 7 % 256) as u8).collect();
        let spec = WrapperSpec::Resize { height, width, field: None };
        let mut env = spec.wrap(Box::new(Picture::new(&shape, pattern))).unwrap();
        assert_eq!(env.observation_space().shape(), [&[height, width], &shape[2..]].concat());
        let found = reset_pixels(&mut *env, 0);
        // A mean just beside a half may be rounded to either side.
        assert!(found.iter().zip(&shown).all(|(a, b)| a.abs_diff(*b) <= 1), "{shape:?} to {height}×{width}");
        let equal = found.iter().zip(&shown).filter(|(a, b)| a == b).count();
        assert!(equal * 100 >= shown.len() * 99, "{shape:?}: {equal} of {} pixels are equal", shown.len());
    }
}

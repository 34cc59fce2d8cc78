#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::fs::File;

use phalanx_envs::Space;
use phalanx_envs::{Action, Env, Row, Step};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

/// Counts its steps down to its end; its pictures show the count as their grey. What goes wrong is a parameter.
struct Countdown {
    left: u8,
    trouble: String,
    observation_space: Space,
    action_space: Space,
}

impl Env for Countdown {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, _: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        self.left = 5;
        observation.f32()[0] = 5.0;
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        self.left -= 1;
        assert!(self.trouble != "panic" || self.left > 2, "the rope broke");
        observation.f32()[0] = f32::from(self.left);
        let episode = match (self.left, self.trouble.as_str()) {
            (0, _) => Episode::Terminated,
            (2, "cut") => Episode::Truncated,
            _ => Episode::Running,
        };
        Ok(Step { reward: action.continuous()[0], episode })
    }

    fn render(&mut self) -> Result<Frame, EnvError> {
        assert!(self.trouble != "painter", "no paint");
        if self.trouble == "blind" {
            return Err(EnvError::NoRender("it has no eyes".to_owned()));
        }
        if self.trouble == "dark"
            || (self.trouble == "dusk" && self.left == 2)
            || (self.trouble == "dawn" && self.left > 3)
        {
            return Err(EnvError::NoPicture);
        }
        Ok(Frame { width: 100, height: 60, pixels: vec![self.left * 40; 18_000] })
    }

    fn frames_per_second(&self) -> f64 {
        if self.trouble == "still" { 0.0 } else { 10.0 }
    }
}

#[test]
fn an_episode_that_does_not_end_is_cut_off_and_the_next_one_begins() {
    let folder = TempDir::new().unwrap();
    let options = VisualizeOptions { max_steps: 3, ..options(&folder, 2, Format::Gif) };
    let summary = player("").play(&options, push, |_| ()).unwrap();
    // An action of 1 is a reward of 1, as in the episodes that end.
    let ends: Vec<_> = summary.episodes.iter().map(|e| (e.length, e.ended)).collect();
    assert_eq!(ends, [(3, "cut_off"); 2]);
    assert_ne!(summary.episodes[0].seed, summary.episodes[1].seed);
}

fn player(trouble: &str) -> Player {
    let trouble = trouble.to_owned();
    let registry = Registry::new().with("countdown", move |_| {
        Ok(Box::new(Countdown {
            left: 0,
            trouble: trouble.clone(),
            observation_space: Space::unbounded(1),
            action_space: Space::boxed(&[-1.0], &[1.0]),
        }))
    });
    Player::new(&registry, &EnvSpec::named("countdown"), ActionScaling::Clip, 7).unwrap()
}

fn options(folder: &TempDir, episodes: u32, format: Format) -> VisualizeOptions {
    VisualizeOptions {
        out: folder.path().join("out"),
        format,
        episodes: NonZeroU32::new(episodes).unwrap(),
        fps: None,
        max_steps: 10_000,
        checkpoint_step: 1024,
    }
}

/// Always beyond the bound, which the batch clips to 1.
#[allow(clippy::unnecessary_wraps)] // a policy may fail
fn push(block: &mut Block) -> Result<(), Infallible> {
    block.numbers_mut(0, 0..1)[0] = 3.0;
    Ok(())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn every_state_of_every_episode_is_shown_the_last_one_included() {
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 2, Format::Png);
    let mut told = Vec::new();
    let summary = player("").play(&options, push, |episode| told.push(episode.clone())).unwrap();

    // Five rewards of 1: pictures of 5, 4, 3, 2, 1, 0 left.
    let files = ["episode-00_return_5", "episode-01_return_5"];
    assert_eq!(names(&options.out), [files[0], files[1], "summary.json"]);
    for file in files {
        let pictures = names(&options.out.join(file));
        let greys: Vec<u8> = pictures.iter().map(|name| corner(&options.out.join(file).join(name))).collect();
        assert_eq!(greys, [200, 160, 120, 80, 40, 0]);
    }

    assert_eq!(told, summary.episodes);
    assert_eq!((summary.return_mean, summary.length_mean, summary.frames_per_second), (5.0, 5.0, 10.0));
    let seeds: Vec<u64> = told.iter().map(|episode| episode.seed).collect();
    assert_eq!(seeds, [episode_seed(7, 0, 0), episode_seed(7, 0, 1)]);
    let written: Value =
        serde_json::from_reader(File::open(options.out.join("summary.json")).unwrap()).unwrap();
    assert_eq!(written["env"], "countdown");
    assert_eq!(written["checkpoint_step"], 1024);
    let second = &written["episodes"][1];
    assert_eq!(second["file"], files[1]);
    assert_eq!(second["return"], 5.0);
    assert_eq!(second["length"], 5);
    assert_eq!(second["ended"], "terminated");
    assert_eq!(second["seed"], seeds[1]);
}

/// Grey of the bottom right pixel, far from the words.
fn corner(path: &Path) -> u8 {
    let mut reader = ::png::Decoder::new(io::BufReader::new(File::open(path).unwrap())).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    reader.next_frame(&mut pixels).unwrap();
    pixels[pixels.len() - 1]
}

#[test]
fn a_truncated_episode_is_called_so() {
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 1, Format::Gif);
    let summary = player("cut").play(&options, push, |_| ()).unwrap();
    assert_eq!((summary.episodes[0].ended, summary.episodes[0].length), ("truncated", 3));
    assert_eq!(names(&options.out), ["episode-00_return_3.gif", "summary.json"]);
}

#[test]
fn an_environment_without_a_picture_leaves_no_file() {
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 1, Format::Gif);
    let error = player("dark").play(&options, push, |_| ()).unwrap_err();
    assert!(matches!(error, VisualizeError::NoPicture { episode: 0, step: 5, .. }));
    assert!(error.to_string().contains("countdown draws no picture"), "{error}");
    assert!(!options.out.exists());
    let error = player("blind").play(&options, push, |_| ()).unwrap_err().to_string();
    let start = "countdown draws no picture (episode 0, step 0): it has no eyes; ";
    assert!(error.starts_with(start), "known at once: {error}");
}

/// The greys of the only video's pictures.
fn greys(options: &VisualizeOptions) -> Vec<u8> {
    let folder = options.out.join("episode-00_return_5");
    names(&folder).iter().map(|name| corner(&folder.join(name))).collect()
}

#[test]
fn a_state_without_a_picture_keeps_the_one_before() {
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 1, Format::Png);
    player("dusk").play(&options, push, |_| ()).unwrap();
    assert_eq!(greys(&options), [200, 160, 120, 120, 40, 0]);
    // Without a picture at the start, the video begins with the first one.
    player("dawn").play(&options, push, |_| ()).unwrap();
    assert_eq!(greys(&options), [120, 80, 40, 0]);
}

#[test]
fn states_beyond_sixty_a_second_are_left_out_but_the_last() {
    let folder = TempDir::new().unwrap();
    let mut options = options(&folder, 1, Format::Png);
    // Of 120 states a second every second one: 5, 3, 1, and the last one, 0.
    for (fps, shown, pace) in [
        (120.0, &[200, 120, 40, 0][..], 60.0),
        (2000.0, &[200, 0], 2000.0 / 34.0),
        (60.0, &[200, 160, 120, 80, 40, 0], 60.0),
    ] {
        options.fps = Some(fps);
        let summary = player("still").play(&options, push, |_| ()).unwrap();
        assert_eq!((greys(&options).as_slice(), summary.frames_per_second), (shown, pace), "{fps}");
    }
}

#[test]
fn a_crash_is_an_error_with_its_place_and_no_half_a_video() {
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 1, Format::Gif);
    let error = player("panic").play(&options, push, |_| ()).unwrap_err().to_string();
    assert!(error.contains("the rope broke") && error.contains("step 2"), "{error}");
    assert!(names(&options.out).is_empty());

    let error = player("painter").play(&options, push, |_| ()).unwrap_err().to_string();
    assert!(error.contains("no paint"), "{error}");

    let error = player("still").play(&options, push, |_| ()).unwrap_err().to_string();
    assert!(error.contains("0 frames a second") && error.contains("`--fps`"), "{error}");
    assert!(error.contains("metadata[\"render_fps\"]"), "{error}");
}

#[test]
fn a_policy_that_fails_is_named_with_its_step() {
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 1, Format::Gif);
    let mut actions = 0;
    let act = |block: &mut Block| {
        actions += 1;
        if actions == 3 { Err("not a number") } else { push(block).map_err(|never| match never {}) }
    };
    let error = player("").play(&options, act, |_| ()).unwrap_err();
    assert_eq!(error.to_string(), "episode 0, step 2: the policy gave no action");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "not a number");
    assert!(names(&options.out).is_empty());
}

#[test]
fn a_summary_that_cannot_be_written_is_an_error_that_names_it() {
    let folder = TempDir::new().unwrap();
    let options = options(&folder, 1, Format::Gif);
    fs::create_dir_all(options.out.join("summary.json")).unwrap();
    let error = player("").play(&options, push, |_| ()).unwrap_err();
    assert!(error.to_string().contains("out/summary.json"), "{error}");
}

#[test]
fn native_environments_play_from_start_to_end() {
    for (name, fps) in [("CartPole-v1", 50.0), ("Pendulum-v1", 30.0)] {
        let folder = TempDir::new().unwrap();
        let options = options(&folder, 1, Format::ALL[0]);
        let mut player =
            Player::new(&Registry::standard(), &EnvSpec::named(name), ActionScaling::Clip, 1).unwrap();
        let mut observations = Vec::new();
        let act = |block: &mut Block| {
            observations.push(block.observation_row(0, 0).f32().to_vec());
            Ok::<_, Infallible>(())
        };
        let summary = player.play(&options, act, |_| ()).unwrap();
        assert_eq!(summary.frames_per_second, fps);
        assert_eq!(observations.len() as u64, summary.episodes[0].length);
        observations.dedup();
        assert_eq!(
            observations.len() as u64,
            summary.episodes[0].length,
            "{name}: every action saw a new state"
        );
        assert_eq!(summary.episodes[0].ended, if name == "CartPole-v1" { "terminated" } else { "truncated" });
    }
}

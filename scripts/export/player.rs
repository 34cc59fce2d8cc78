//! A policy file that plays.

use std::path::{Path, PathBuf};

use phalanx_agents::AgentError;
use phalanx_algorithms::{AlgorithmError, Policy};
use phalanx_envs::{Block, Generator, Layout};
use phalanx_export::{Recorded, aligned};
use phalanx_micro::{self as micro, ActError, Elements};
use rand::RngExt;

use super::about::Field;
use super::record::observed;
use super::{About, PolicyError, read};

/// A policy file that plays, with a hidden state for each row.
pub struct FilePolicy {
    path: PathBuf,
    about: About,
    file: &'static [u8],
    rows: Vec<micro::Policy<'static>>,
    action: Vec<f32>,
    /// What each number of an action is more than one that counts from 0.
    starts: Vec<f32>,
    generator: Option<Generator>,
}

impl FilePolicy {
    /// Reads and checks a policy file, and takes the actions again that were recorded in it.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn open(path: &Path) -> Result<Self, PolicyError> {
        Self::new(&read(path)?, path)
    }

    /// The same for the bytes of a file that is to be written.
    ///
    /// # Errors
    /// [`PolicyError`].
    pub fn new(bytes: &[u8], path: &Path) -> Result<Self, PolicyError> {
        // It plays until the program ends.
        let memory: &'static mut Vec<u8> = Box::leak(Box::default());
        let file = aligned(bytes, memory);
        let mut policy = begin(file).map_err(|source| {
            let ending = path.extension().and_then(|ending| ending.to_str());
            let path = path.to_owned();
            match ending {
                Some("onnx" | "tflite" | "c" | "h") => PolicyError::Other { path },
                _ => PolicyError::Format { path, source },
            }
        })?;
        let mut action = vec![0.0; policy.action_len()];
        policy
            .selftest(&mut action)
            .map_err(|error| PolicyError::SelfTest { path: path.to_owned(), reason: error.to_string() })?;
        let about: About = serde_json::from_str(policy.text())
            .map_err(|error| PolicyError::About { path: path.to_owned(), reason: error.to_string() })?;
        let (path, starts) = (path.to_owned(), about.action_starts().collect());
        Ok(Self { path, about, file, rows: vec![policy], action, starts, generator: None })
    }

    /// Draws actions with this generator, or takes the most probable ones.
    pub fn draw_with(&mut self, generator: Option<Generator>) {
        self.generator = generator;
    }

    /// What the file was made of.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Fails unless it can play in environments of this layout.
    ///
    /// # Errors
    /// [`PolicyError::Spaces`].
    pub fn check(&self, env: &str, layout: &Layout) -> Result<(), PolicyError> {
        let About { observation, action, .. } = &self.about;
        let given = [
            Field::all("observation", &layout.observation_space, &[]),
            Field::all("action", &layout.action_space, &[]),
        ];
        for (own, given) in [observation, action].into_iter().zip(given) {
            let is_like =
                own.len() == given.len() && own.iter().zip(&given).all(|(own, given)| own.is_like(given));
            if !is_like {
                let text =
                    |fields: &[Field]| fields.iter().map(Field::to_string).collect::<Vec<_>>().join(", ");
                return Err(PolicyError::Spaces {
                    path: self.path.clone(),
                    file: text(own),
                    env: env.to_owned(),
                    given: text(&given),
                });
            }
        }
        Ok(())
    }
}

/// A policy over the file with an arena of its own.
fn begin(file: &'static [u8]) -> Result<micro::Policy<'static>, micro::FormatError> {
    let arena = vec![0.0; micro::Policy::arena(file)?];
    micro::Policy::new(file, arena.leak())
}

impl Policy for FilePolicy {
    fn begin(&mut self, rows: usize) {
        while self.rows.len() < rows {
            self.rows.push(begin(self.file).expect("it was checked before"));
        }
        self.rows.iter_mut().for_each(micro::Policy::reset);
    }

    fn begin_episode(&mut self, row: usize) {
        self.rows[row].reset();
    }

    fn act(&mut self, block: &mut Block) -> Result<(), AlgorithmError> {
        for row in 0..block.layout().rows {
            let mut observation = observed(block, row);
            self.about.number(&mut observation);
            let elements: Vec<Elements<'_>> = observation.iter().map(Recorded::elements).collect();
            let acted = match &mut self.generator {
                Some(generator) => {
                    let mut random = || generator.random::<u32>();
                    self.rows[row].sample(&elements, &mut self.action, &mut random).map(drop)
                }
                None => self.rows[row].act(&elements, &mut self.action),
            };
            acted.map_err(|error| match error {
                ActError::Mask => AgentError::Mask { row, step: 0, field: String::new() },
                other => AgentError::Settings(format!("{}: {other}", self.path.display())),
            })?;
            self.action.iter_mut().zip(&self.starts).for_each(|(x, start)| *x -= start);
            write(&self.action, block, row);
        }
        Ok(())
    }
}

/// Puts an action into the block.
fn write(action: &[f32], block: &mut Block, row: usize) {
    let leaves = block.layout().action_space.leaves();
    let lens: Vec<[usize; 2]> =
        leaves.iter().map(|(_, leaf)| [leaf.choices_len(), leaf.numbers_len()]).collect();
    let (choices, numbers) = block.actions_mut(0, row..row + 1);
    let (mut choices, mut numbers, mut action) = (choices.iter_mut(), numbers.iter_mut(), action.iter());
    for [own_choices, own_numbers] in lens {
        choices.by_ref().take(own_choices).zip(action.by_ref()).for_each(|(to, from)| *to = *from as i64);
        numbers.by_ref().take(own_numbers).zip(action.by_ref()).for_each(|(to, from)| *to = *from);
    }
}

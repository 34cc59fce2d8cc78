//! PictureAndNumbers-v0: what to do is known from a picture and a vector together, from neither alone.

use rand::RngExt;

use super::UNSEEDED;
use crate::{Action, Dtype, Env, EnvError, Episode, Frame, Generator, Row, Space, Step, generator};

/// Pixels of a side of the picture, and of the square in it.
const SIDE: usize = 84;
const SQUARE: usize = 24;
/// Places of the square, numbers of the vector, and choices.
const CHOICES: usize = 4;
/// Steps of an episode.
const LENGTH: u32 = 16;

/// PictureAndNumbers-v0.
///
/// Observation: `picture`, bytes `[84, 84, 1]` with a bright square in quadrant p; `numbers`, `[4]` with a 1 at v among zeros. Both are drawn
/// anew at each step. Action: one of four, of which (p + v) mod 4 is right. Reward: 1/16 when right; an episode has 16 steps, so that returns
/// lie in [0, 1]. Either field alone tells no more than chance: 1/4.
pub struct PictureAndNumbers {
    place: usize,
    /// Upper left pixel of the square: line and column.
    corner: (usize, usize),
    number: usize,
    step: u32,
    generator: Generator,
    observation_space: Space,
    action_space: Space,
}

impl PictureAndNumbers {
    /// The task, to be reset.
    pub fn new() -> Self {
        let len = SIDE * SIDE;
        let picture = Space::Box {
            shape: vec![SIDE, SIDE, 1],
            low: vec![0.0; len],
            high: vec![255.0; len],
            dtype: Dtype::U8,
        };
        let numbers = Space::boxed(&[0.0; CHOICES], &[1.0; CHOICES]);
        Self {
            place: 0,
            corner: (0, 0),
            number: 0,
            step: 0,
            generator: generator(UNSEEDED),
            observation_space: Space::Dict(vec![
                ("picture".to_owned(), picture),
                ("numbers".to_owned(), numbers),
            ]),
            action_space: Space::Discrete { n: CHOICES },
        }
    }

    fn draw_next(&mut self) {
        let mut draw = |n| self.generator.random_range(0..n);
        let half = SIDE / 2;
        self.place = draw(CHOICES);
        self.number = draw(CHOICES);
        let (line, column) = (draw(half - SQUARE), draw(half - SQUARE));
        self.corner = (half * (self.place / 2) + line, half * (self.place % 2) + column);
    }

    fn observe(&self, mut observation: Row<'_>) {
        let picture = observation.field("picture").u8();
        picture.fill(0);
        let (line, column) = self.corner;
        for line in picture.chunks_exact_mut(SIDE).skip(line).take(SQUARE) {
            line[column..column + SQUARE].fill(255);
        }
        let numbers = observation.field("numbers").f32();
        numbers.fill(0.0);
        numbers[self.number] = 1.0;
    }
}

impl Default for PictureAndNumbers {
    fn default() -> Self {
        Self::new()
    }
}

impl Env for PictureAndNumbers {
    fn observation_space(&self) -> &Space {
        &self.observation_space
    }

    fn action_space(&self) -> &Space {
        &self.action_space
    }

    fn reset(&mut self, seed: Option<u64>, observation: Row<'_>) -> Result<(), EnvError> {
        if let Some(seed) = seed {
            self.generator = generator(seed);
        }
        self.step = 0;
        self.draw_next();
        self.observe(observation);
        Ok(())
    }

    fn step(&mut self, action: Action<'_>, observation: Row<'_>) -> Result<Step, EnvError> {
        let right = action.discrete() == (self.place + self.number) % CHOICES;
        self.step += 1;
        self.draw_next();
        self.observe(observation);
        let reward = if right { 1.0 / LENGTH as f32 } else { 0.0 };
        let episode = if self.step == LENGTH { Episode::Terminated } else { Episode::Running };
        Ok(Step { reward, episode })
    }

    /// The picture, beside as many light columns as the vector has its 1.
    fn render(&mut self) -> Result<Frame, EnvError> {
        let (width, (line, column)) = (SIDE + 4 * CHOICES, self.corner);
        let inside =
            |x: usize, y: usize| (line..line + SQUARE).contains(&y) && (column..column + SQUARE).contains(&x);
        let pixel = |i: usize| {
            let (x, y) = (i % width, i / width);
            let lit = if x < SIDE { inside(x, y) } else { (x - SIDE) / 4 == self.number };
            [if lit { 255 } else { 0 }; 3]
        };
        let pixels = (0..width * SIDE).flat_map(pixel).collect();
        Ok(Frame { width: width as u32, height: SIDE as u32, pixels })
    }
}

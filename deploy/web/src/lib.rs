//! A policy that plays CartPole in a browser: the functions that `page/cartpole.js` calls, and memory that both share.
//!
//! [`room`], where the page writes a policy file; [`open`]; then [`begin`] and [`step`] until the episode ends. An instance opens one file: the page makes
//! another instance for another file.

#[path = "../../firmware/src/cart_pole.rs"]
mod cart_pole;

use std::cell::RefCell;

use cart_pole::CartPole;
use phalanx_micro::{Elements, Policy};

/// What the functions share.
struct Page {
    /// The file, in numbers of 16 bytes, so that it begins at a multiple of 16.
    file: Vec<u128>,
    bytes: usize,
    game: Option<Game>,
    text: String,
}

/// A policy and its cart.
struct Game {
    policy: Policy<'static>,
    cart: CartPole,
    observation: [f32; 4],
}

thread_local! {
    static PAGE: RefCell<Page> =
        const { RefCell::new(Page { file: Vec::new(), bytes: 0, game: None, text: String::new() }) };
}

/// Address of `bytes` bytes, into which the page writes a policy file.
#[unsafe(no_mangle)]
pub extern "C" fn room(bytes: usize) -> *mut u8 {
    PAGE.with_borrow_mut(|page| {
        page.bytes = bytes;
        page.file = vec![0; bytes.div_ceil(size_of::<u128>())];
        page.file.as_mut_ptr().cast()
    })
}

/// Opens the file. Returns 1, and [`text`] is its description in JSON; or 0, and [`text`] is what is wrong with it.
#[unsafe(no_mangle)]
pub extern "C" fn open(seed: u32) -> u32 {
    PAGE.with_borrow_mut(|page| {
        // It plays as long as this instance.
        let file = &bytemuck::cast_slice(std::mem::take(&mut page.file).leak())[..page.bytes];
        let (game, text) = match Game::new(file, seed) {
            Ok(game) => {
                let text = game.policy.text().to_owned();
                (Some(game), text)
            }
            Err(text) => (None, text),
        };
        (page.game, page.text) = (game, text);
        u32::from(page.game.is_some())
    })
}

/// Address of the text of [`open`], in UTF-8.
#[unsafe(no_mangle)]
pub extern "C" fn text() -> *const u8 {
    PAGE.with_borrow(|page| page.text.as_ptr())
}

/// Its bytes.
#[unsafe(no_mangle)]
pub extern "C" fn text_len() -> usize {
    PAGE.with_borrow(|page| page.text.len())
}

/// Begins an episode.
#[unsafe(no_mangle)]
pub extern "C" fn begin() {
    PAGE.with_borrow_mut(|page| {
        if let Some(game) = &mut page.game {
            game.begin();
        }
    });
}

/// Takes the policy's action; 1 where the episode ended, or no file is open.
#[unsafe(no_mangle)]
pub extern "C" fn step() -> u32 {
    PAGE.with_borrow_mut(|page| u32::from(page.game.as_mut().is_none_or(Game::step)))
}

/// One number of the observation: position and velocity of the cart (m, m/s), angle and angular velocity of the pole (rad, rad/s).
#[unsafe(no_mangle)]
pub extern "C" fn observation(i: usize) -> f32 {
    PAGE.with_borrow(|page| {
        page.game.as_ref().and_then(|game| game.observation.get(i).copied()).unwrap_or(0.0)
    })
}

impl Game {
    fn new(file: &'static [u8], seed: u32) -> Result<Self, String> {
        let arena = vec![0.0; Policy::arena(file).map_err(|error| error.to_string())?].leak();
        let mut policy = Policy::new(file, arena).map_err(|error| error.to_string())?;
        if !policy.inputs().eq([(false, 4)]) || policy.action_len() != 1 {
            return Err("the policy has other observations or actions than those of CartPole-v1".to_owned());
        }
        policy.selftest(&mut [0.0]).map_err(|error| format!("the self test failed: {error}"))?;
        let mut game = Self { policy, cart: CartPole::new(u64::from(seed)), observation: [0.0; 4] };
        game.begin();
        Ok(game)
    }

    fn begin(&mut self) {
        self.policy.reset();
        self.observation = self.cart.reset();
    }

    /// Whether the episode ended; it does, too, where there is no action.
    fn step(&mut self) -> bool {
        let mut action = [0.0];
        let acted = self.policy.act(&[Elements::F32(&self.observation)], &mut action);
        let ended;
        (self.observation, ended) = self.cart.step(action[0] > 0.5);
        ended || acted.is_err()
    }
}

//! How far the making of an environment has come, for whoever has to say where it hangs.

use std::cell::RefCell;

use crate::Phase;

type Listener = Box<dyn Fn(Phase)>;

thread_local! {
    static LISTENER: RefCell<Option<Listener>> = const { RefCell::new(None) };
}

/// Has `listener` called from now on when an environment that is made in this thread comes to another phase than [`Phase::New`].
pub fn listen(listener: impl Fn(Phase) + 'static) {
    LISTENER.set(Some(Box::new(listener)));
}

/// An environment that is being made comes to `phase`.
pub fn begin(phase: Phase) {
    LISTENER.with_borrow(|listener| listener.iter().for_each(|listener| listener(phase)));
}

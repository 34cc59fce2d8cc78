//! The models: read once for all rows of a process, and freed with the last one that uses them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use mujoco_rs::wrappers::MjModel;

use super::log;
use super::params::ModelParams;
use crate::EnvError;

/// Models that are part of the program; `models/README.md` names their origin.
pub(super) const BUILT_IN: [(&str, &str); 10] = [
    ("ant.xml", include_str!("models/ant.xml")),
    ("half_cheetah.xml", include_str!("models/half_cheetah.xml")),
    ("hopper.xml", include_str!("models/hopper.xml")),
    ("humanoid.xml", include_str!("models/humanoid.xml")),
    ("inverted_double_pendulum.xml", include_str!("models/inverted_double_pendulum.xml")),
    ("inverted_pendulum.xml", include_str!("models/inverted_pendulum.xml")),
    ("pusher_v5.xml", include_str!("models/pusher_v5.xml")),
    ("reacher.xml", include_str!("models/reacher.xml")),
    ("swimmer.xml", include_str!("models/swimmer.xml")),
    ("walker2d_v5.xml", include_str!("models/walker2d_v5.xml")),
];

/// Name or file, and width and height of the pictures that there is room for.
type Key = (String, [u32; 2]);

thread_local! {
    /// Models in use on this thread. Environments do not wander between threads.
    static IN_USE: RefCell<HashMap<Key, Weak<MjModel>>> = RefCell::default();
}

/// The model of this name, or else of this file, with room for its pictures.
///
/// # Errors
/// [`EnvError::Params`] when there is no such file, or `MuJoCo` cannot make a model of it.
pub(super) fn load(params: &ModelParams) -> Result<Rc<MjModel>, EnvError> {
    let size = [params.picture.width, params.picture.height];
    let key = (params.xml_file.clone(), size);
    if let Some(model) = IN_USE.with_borrow(|models| models.get(&key).and_then(Weak::upgrade)) {
        return Ok(model);
    }
    let mut model = read(&params.xml_file)?;
    // Exactly what is drawn, whatever the file has: a larger buffer may be refused.
    let global = &mut model.vis_mut().global;
    [global.offwidth, global.offheight] = size.map(|pixels| pixels as i32);
    let model = Rc::new(model);
    IN_USE.with_borrow_mut(|models| models.insert(key, Rc::downgrade(&model)));
    Ok(model)
}

fn read(xml_file: &str) -> Result<MjModel, EnvError> {
    log::to_stderr();
    let wrong = |message: String| EnvError::Params { name: String::new(), message };
    if let Some((_, text)) = BUILT_IN.iter().find(|(name, _)| *name == xml_file) {
        return MjModel::from_xml_string(text).map_err(|e| wrong(format!("xml_file {xml_file:?}: {e}")));
    }
    if !std::path::Path::new(xml_file).is_file() {
        let names = BUILT_IN.map(|(name, _)| name).join(", ");
        return Err(wrong(format!("xml_file: there is no file {xml_file:?}; built in are {names}")));
    }
    MjModel::from_xml(xml_file).map_err(|e| wrong(format!("xml_file {xml_file:?}: {e}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn load(xml_file: &str) -> Result<Rc<MjModel>, EnvError> {
        super::load(&ModelParams::new(xml_file, 1))
    }

    #[test]
    fn a_model_is_read_once_while_it_is_used() {
        let first = load("hopper.xml").unwrap();
        assert!(Rc::ptr_eq(&first, &load("hopper.xml").unwrap()));
        let weak = Rc::downgrade(&first);
        drop(first);
        assert!(weak.upgrade().is_none());
    }

    #[test]
    fn a_model_that_cannot_be_had_says_why() {
        let message = load("no_such.xml").unwrap_err().to_string();
        assert!(
            message.contains("no file \"no_such.xml\"") && message.contains("half_cheetah.xml"),
            "{message}"
        );
        let message = load(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).unwrap_err().to_string();
        assert!(message.contains("Cargo.toml"), "{message}");
    }
}

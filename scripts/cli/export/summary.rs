//! What `phalanx export` prints of a policy: what it reads and gives, and what it computes.

use std::io::{self, Write};

use phalanx_export::Policy;

use super::Format;
use crate::export::{About, Field};

/// Prints inputs and outputs, each with its type, shape and units.
pub fn signature(format: Format, policy: &Policy<'_>, about: &About, out: &mut impl Write) -> io::Result<()> {
    let is_model = matches!(format, Format::Onnx | Format::Tflite);
    for (i, field) in about.observation.iter().enumerate() {
        // Models do without what nothing reads.
        if !is_model || policy.is_read(i) {
            let dtype = if field.dtype == "u8" { "u8" } else { "f32" };
            writeln!(out, "  reads {}", described(field, dtype))?;
        }
    }
    let states: Vec<_> = policy.states().filter(|_| is_model).collect();
    for (node, len) in &states {
        writeln!(out, "  reads state.{node}: f32 [{len}]")?;
    }
    for field in &about.action {
        let whole = match format {
            Format::Onnx => "i64",
            Format::Tflite => "i32",
            Format::Phx | Format::C => "f32",
        };
        writeln!(out, "  gives {}", described(field, if field.options.is_empty() { "f32" } else { whole }))?;
    }
    if is_model {
        writeln!(out, "  gives outputs: f32 [{}]", policy.outputs())?;
    }
    for (node, len) in &states {
        writeln!(out, "  gives next_state.{node}: f32 [{len}]")?;
    }
    Ok(())
}

/// `observation.levels: f32 [4] in m`.
fn described(field: &Field, dtype: &str) -> String {
    let Field { name, shape, unit, start, .. } = field;
    // A bit has no options that need a name.
    let options = if field.dtype == "u8" { &[][..] } else { &field.options };
    let [unit, options, start] =
        [listed(" in ", unit, ""), listed(", one of ", options, " options"), listed(" from ", start, " on")];
    format!("{name}: {dtype} {shape:?}{unit}{options}{start}")
}

/// All of a list between two texts; nothing of an empty one.
fn listed<T: ToString>(before: &str, all: &[T], after: &str) -> String {
    let all: Vec<String> = all.iter().map(T::to_string).collect();
    if all.is_empty() { String::new() } else { format!("{before}{}{after}", all.join(", ")) }
}

/// `4480 multiply-accumulates an action: 3 dense, 2 tanh`.
pub fn operations(policy: &Policy<'_>) -> String {
    let counts: Vec<String> = policy.operations().into_iter().map(|(op, n)| format!("{n} {op}")).collect();
    format!("{} multiply-accumulates an action: {}", policy.multiply_accumulates(), counts.join(", "))
}

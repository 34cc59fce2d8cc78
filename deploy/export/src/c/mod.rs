//! A policy as one file of C99 that needs nothing but `math.h`, and its header.

mod steps;

use std::collections::BTreeSet;
use std::fmt::Write;

use phalanx_micro::format::{op, step};

use crate::steps::{Form, Steps, steps};
use crate::{ExportError, Kind, Part, Policy, Quantization};

/// The functions that steps call, each within a condition.
const KERNELS: &str = include_str!("kernels.c");

/// Two files of C.
#[derive(Debug, Clone)]
pub struct Sources {
    /// What is compiled.
    pub source: String,
    /// What is included.
    pub header: String,
}

/// The sources of a policy, in floats or with layers in 8 bits; functions begin with `name`, which is also that of the header.
///
/// # Errors
/// As of [`write()`](crate::write()), and [`ExportError::Name`] where `name` is no identifier of C.
pub fn c(policy: &Policy<'_>, int8: Option<&Quantization>, name: &str) -> Result<Sources, ExportError> {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !name.starts_with(is_letter) || !name.chars().all(|c| is_letter(c) || c.is_ascii_digit()) {
        return Err(ExportError::Name { name: name.into() });
    }
    let mut steps = steps(policy, int8.map_or(Form::Floats, Form::Int8))?;
    let mut body = String::new();
    let mut used = BTreeSet::new();
    for words in &steps.words {
        body.push_str(&steps::step(words, policy, &mut used));
    }
    let mut needs_i = !steps.words.is_empty();
    for part in &policy.parts {
        needs_i |= part.kind != Kind::Choice;
        body.push_str(&act(part, &mut steps, &mut used));
    }
    let (header, arguments) = header(policy, &steps, name);
    let defines: String = used.iter().fold(String::new(), |all, used| all + "#define USE_" + used + "\n");
    let words = steps.floats.iter().map(|x| x.to_bits());
    let source = format!(
        "/* A policy, written by phalanx {}. Compile with -ffp-contract=off for the same bits as elsewhere. */\n\
         #include \"{name}.h\"\n\n#include <math.h>\n#include <stddef.h>\n\n{defines}\n{KERNELS}\n\
         /* Parameters: floats, whole numbers, and bytes from the lowest on. */\n\
         static const union {{\n    uint32_t words[{n}];\n    float f[{n}];\n    int32_t i[{n}];\n}} P = {{{{\n{}}}}};\n\n\
         void {name}_reset({name}_policy *policy) {{\n    size_t i;\n    \
         for (i = 0; i < sizeof policy->state / sizeof *policy->state; i++) policy->state[i] = 0.0f;\n}}\n\n\
         int {name}_act({name}_policy *policy, {arguments}) {{\n    float *m = policy->results;\n{}{body}    return 0;\n}}\n",
        env!("CARGO_PKG_VERSION"),
        table(words),
        if needs_i { "    int i;\n" } else { "" },
        n = steps.floats.len().max(1),
    );
    Ok(Sources { source, header })
}

/// The header, and the arguments of an action.
fn header(policy: &Policy<'_>, steps: &Steps, name: &str) -> (String, String) {
    let action =
        policy.parts.iter().map(|part| part.action + if part.kind == Kind::Choice { 1 } else { part.len });
    let action = action.max().unwrap_or(0);
    let mut arguments = String::new();
    for input in &policy.inputs {
        let dtype = if input.is_bytes { "uint8_t" } else { "float" };
        let _ = write!(arguments, "const {dtype} *{}, ", argument(&input.name));
    }
    arguments.push_str("float *action");
    let gates = steps.words.iter().map(|words| match words[step::OP] & 0xff {
        op::GRU => 6 * words[step::WRITE_LEN],
        op::LSTM => 8 * words[step::WRITE_LEN],
        _ => 1,
    });
    let mut sizes = String::new();
    for input in &policy.inputs {
        let _ = writeln!(sizes, " *   {}: {} elements", argument(&input.name), input.size());
    }
    let guard = name.to_uppercase();
    let header = format!(
        "/* A policy, written by phalanx {}. */\n#ifndef {guard}_H\n#define {guard}_H\n\n#include <stdint.h>\n\n\
         #ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
         /* Numbers of an action. */\n#define {guard}_ACTION {action}\n\n\
         /* All memory that changes; one for each row. */\ntypedef struct {{\n    float results[{}];\n    float state[{}];\n    \
         float gates[{}];\n}} {name}_policy;\n\n\
         /* Begins an episode; comes first. */\nvoid {name}_reset({name}_policy *policy);\n\n\
         /* Takes the most probable action; returns 1 where a mask leaves no legal option, otherwise 0.\n{sizes} */\n\
         int {name}_act({name}_policy *policy, {arguments});\n\n\
         #ifdef __cplusplus\n}}\n#endif\n\n#endif\n",
        env!("CARGO_PKG_VERSION"),
        steps.results.max(1),
        policy.graph.state().max(1),
        gates.max().unwrap_or(1),
    );
    (header, arguments)
}

/// The name of an input's argument: its path.
fn argument(path: &str) -> String {
    path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

/// Words in hexadecimal, eight in a line.
fn table(words: impl Iterator<Item = u32>) -> String {
    let mut text = String::new();
    for (i, word) in words.enumerate() {
        let _ = write!(text, "{}0x{word:08x},", if i % 8 == 0 { "    " } else { " " });
        if i % 8 == 7 {
            text.push('\n');
        }
    }
    if text.is_empty() { "    0\n".into() } else { text + "\n" }
}

/// A part of the action.
fn act(part: &Part, steps: &mut Steps, used: &mut BTreeSet<&'static str>) -> String {
    let (outputs, len, action) = (steps.outputs + part.outputs, part.len, part.action);
    let mask = part.mask.and_then(|mask| Some(steps.inputs[mask.input]? + mask.start));
    match &part.kind {
        Kind::Choice => {
            used.insert("CHOICE");
            let mask = mask.map_or("NULL".into(), |mask| format!("m + {mask}"));
            let option = if part.start == 0 { "i".into() } else { format!("i + ({})", part.start) };
            format!(
                "    i = phx_choice(m + {outputs}, {mask}, {len});\n    if (i < 0) return 1;\n    action[{action}] = (float)({option});\n"
            )
        }
        Kind::Bits => {
            let bit = format!("m[{outputs} + i] > 0.0f");
            let bit = mask.map_or(bit.clone(), |mask| {
                format!("m[{mask} + 2 * i + 1] != 0.0f && (m[{mask} + 2 * i] == 0.0f || {bit})")
            });
            let illegal = mask.map_or(String::new(), |mask| {
                format!("        if (m[{mask} + 2 * i] == 0.0f && m[{mask} + 2 * i + 1] == 0.0f) return 1;\n")
            });
            format!(
                "    for (i = 0; i < {len}; i++) {{\n{illegal}        action[{action} + i] = {bit} ? 1.0f : 0.0f;\n    }}\n"
            )
        }
        Kind::Numbers { tanh, scale, .. } => {
            let at = steps.floats.len();
            steps.floats.extend((0..4).flat_map(|i| scale.iter().map(move |numbers| numbers[i])));
            let x = if *tanh {
                used.insert("TANH");
                format!("phx_tanh(m[{outputs} + i])")
            } else {
                format!("m[{outputs} + i]")
            };
            let (low, high) = (at + 2 * len, at + 3 * len);
            format!(
                "    for (i = 0; i < {len}; i++) {{\n        float x = P.f[{at} + i] + P.f[{} + i] * {x};\n        \
                 action[{action} + i] = x < P.f[{low} + i] ? P.f[{low} + i] : x > P.f[{high} + i] ? P.f[{high} + i] : x;\n    }}\n",
                at + len
            )
        }
    }
}

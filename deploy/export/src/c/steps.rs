//! Steps of a policy file as statements of C.

use std::collections::BTreeSet;

use phalanx_micro::format::{activation, op, quantized, step};

use super::argument;
use crate::Policy;

/// The statements of a step, which call functions of `used`.
pub fn step(words: &[u32; step::WORDS], policy: &Policy<'_>, used: &mut BTreeSet<&'static str>) -> String {
    let word = |i: usize| words[i];
    let (read, n, write, len) =
        (word(step::READ), word(step::READ_LEN), word(step::WRITE), word(step::WRITE_LEN));
    let (p, state) = (word(step::PARAMETERS), word(step::STATE));
    let each = |x: String| format!("    for (i = 0; i < {len}; i++) m[{write} + i] = {x};\n");
    let mut uses = |names: &[&'static str]| used.extend(names);
    let of = word(step::OP) & 0xff;
    let scale = format!("{:?}f, {}", f32::from_bits(state), word(step::SIZE) as i32);
    let bytes = |at: u32| format!("(int8_t *)(m + {at})");
    let zeros = {
        let bytes = state.to_le_bytes().map(|byte| byte as i8);
        let [read, sum, least] =
            [quantized::READ_ZERO, quantized::SUM_ZERO, quantized::LEAST].map(|i| bytes[i]);
        format!("static const int z[] = {{{read}, {sum}, {least}}};")
    };
    let table = word(step::OP) >> 8;
    let statements = match of {
        op::READ | op::NORMALIZE | op::FRACTION => input(words, policy),
        op::DENSE => {
            uses(&["DENSE_OR_RECURRENT"]);
            format!(
                "    phx_linear(P.f + {p}, P.f + {}, m + {read}, {n}, m + {write}, {len});\n",
                p + n * len
            )
        }
        op::CONV => {
            uses(&["CONV"]);
            let call = format!("phx_conv(P.f + {p}, m + {read}, &w, m + {write}, {});", outputs(words));
            windowed(words, &call)
        }
        op::MAX_POOL | op::AVERAGE_POOL => {
            uses(&["POOL"]);
            let is_max = i32::from(of == op::MAX_POOL);
            windowed(words, &format!("phx_pool(m + {read}, &w, m + {write}, {is_max});"))
        }
        op::LAYER_NORM => {
            uses(&["LAYER_NORM"]);
            format!("    phx_layer_norm(P.f + {p}, m + {read}, m + {write}, {len});\n")
        }
        op::GRU | op::LSTM => {
            let name = if of == op::GRU { "gru" } else { "lstm" };
            uses(&["DENSE_OR_RECURRENT", "RECURRENT", if of == op::GRU { "GRU" } else { "LSTM" }]);
            format!(
                "    phx_{name}(P.f + {p}, m + {read}, {n}, policy->state + {state}, m + {write}, {len}, policy->gates);\n"
            )
        }
        op::ACTIVATION | op::COPY => each(format!("m[{read} + i]")),
        op::ADD => each(format!("m[{write} + i] + m[{read} + i]")),
        op::ONE_HOT => {
            uses(&["OPTION"]);
            each(format!("i == phx_option(m[{read}], {len}) ? 1.0f : 0.0f"))
        }
        op::EMBEDDING => {
            uses(&["OPTION"]);
            each(format!("P.f[{p} + phx_option(m[{read}], {}) * {len} + i]", word(step::SIZE)))
        }
        op::QUANTIZE => {
            uses(&["INT8"]);
            format!("    phx_quantize(m + {read}, {}, {len}, {scale});\n", bytes(write))
        }
        op::DEQUANTIZE => {
            uses(&["INT8"]);
            format!("    phx_dequantize({}, m + {write}, {len}, {scale});\n", bytes(read))
        }
        op::DENSE_INT8 => {
            uses(&["INT8", "DENSE_INT8"]);
            let (x, y) = (bytes(read), bytes(write));
            format!(
                "    {{\n        {zeros}\n        phx_dense_int8(P.i + {p}, {x}, {n}, {y}, {len}, z, {table});\n    }}\n"
            )
        }
        _ => {
            uses(&["INT8", "CONV_INT8"]);
            let (x, y, m) = (bytes(read), bytes(write), outputs(words));
            windowed(
                words,
                &format!("{zeros}\n        phx_conv_int8(P.i + {p}, {x}, &w, {y}, {m}, z, {table});"),
            )
        }
    };
    if of >= op::QUANTIZE {
        return statements;
    }
    let Some((name, x)) = activation(table, &format!("m[{write} + i]")) else { return statements };
    used.insert(name);
    statements + &each(x)
}

/// The statements that read an input.
fn input(words: &[u32; step::WORDS], policy: &Policy<'_>) -> String {
    let [read, write, len, p] =
        [step::READ, step::WRITE, step::WRITE_LEN, step::PARAMETERS].map(|i| words[i]);
    let each = |x: String| format!("    for (i = 0; i < {len}; i++) m[{write} + i] = {x};\n");
    let x = format!("(float){}[i]", argument(&policy.inputs[read as usize].name));
    let bound = f32::from_bits(words[step::STATE]);
    match words[step::OP] & 0xff {
        op::READ => each(x),
        op::FRACTION => each(format!("({x} - P.f[{p} + i]) / P.f[{} + i]", p + len)),
        _ => {
            let scaled = each(format!("({x} - P.f[{p} + i]) * P.f[{} + i]", p + len));
            let at = format!("m[{write} + i]");
            let bounded = format!("{at} < -{bound:?}f ? -{bound:?}f : {at} > {bound:?}f ? {bound:?}f : {at}");
            if bound.is_finite() { scaled + &each(bounded) } else { scaled }
        }
    }
}

/// What an activation needs, and its expression.
fn activation(of: u32, at: &str) -> Option<(&'static str, String)> {
    Some(match of {
        activation::TANH => ("TANH", format!("phx_tanh({at})")),
        activation::RELU => ("RELU", format!("{at} < 0.0f ? 0.0f : {at}")),
        activation::ELU => {
            ("ELU", format!("{at} > 0.0f ? {at} : phx_exp({at} < -80.0f ? -80.0f : {at}) - 1.0f"))
        }
        activation::SILU => ("SILU", format!("{at} * phx_sigmoid({at})")),
        activation::GELU => ("GELU", format!("{at} * phx_normal({at})")),
        activation::LEAKY_RELU => ("LEAKY_RELU", format!("{at} > 0.0f ? {at} : {at} * 0.01f")),
        _ => return None,
    })
}

/// A call with the picture and windows of a step.
fn windowed(words: &[u32; step::WORDS], call: &str) -> String {
    let low = |i: usize| words[i] & 0xffff;
    let high = |i: usize| words[i] >> 16;
    let [height, width, channels] = [low(step::SIZE), high(step::SIZE), low(step::KERNEL)];
    let [kernel, stride, padding] = [high(step::KERNEL), low(step::STRIDE), high(step::STRIDE)];
    let [dilation, first] = [low(step::DILATION), high(step::DILATION)];
    format!(
        "    {{\n        static const phx_windows w = {{{height}, {width}, {channels}, {kernel}, {stride}, {padding}, {dilation}, {first}}};\n        \
         {call}\n    }}\n"
    )
}

/// Filters of a convolution.
fn outputs(words: &[u32; step::WORDS]) -> u32 {
    let along = |pixels: u32| {
        let (kernel, stride, padding) =
            (words[step::KERNEL] >> 16, words[step::STRIDE] & 0xffff, words[step::STRIDE] >> 16);
        (pixels + 2 * padding - (words[step::DILATION] & 0xffff) * (kernel - 1) - 1) / stride + 1
    };
    words[step::WRITE_LEN] / (along(words[step::SIZE] & 0xffff) * along(words[step::SIZE] >> 16))
}

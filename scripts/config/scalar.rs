//! What a plain YAML scalar means: the core schema of YAML 1.2, and underscores between digits (`100_000`).
//!
//! So `yes`, `no`, `on` and `off` are text; the checker reports "write `true`" where a truth value is expected.

use super::tree::Value;

/// The value of an unquoted scalar, or why it should be written differently.
pub fn resolve(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Ok(Value::Float(f64::INFINITY)),
        "-.inf" | "-.Inf" | "-.INF" => return Ok(Value::Float(f64::NEG_INFINITY)),
        ".nan" | ".NaN" | ".NAN" => return Ok(Value::Float(f64::NAN)),
        _ => {}
    }
    let text_value = || Value::Text { text: text.to_owned(), quoted: false };
    let Some(number) = without_underscores(text) else { return Ok(text_value()) };
    let radix = |prefix: &str, radix| number.strip_prefix(prefix).map(|n| i128::from_str_radix(n, radix));
    if let Some(integer) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Ok(integer.map_or_else(|_| text_value(), Value::Integer));
    }
    let digits = number.strip_prefix(['+', '-']).unwrap_or(&number);
    if digits.len() > 1 && digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()) {
        let plain = digits.trim_start_matches('0');
        let plain = if plain.is_empty() { "0" } else { plain };
        return Err(format!(
            "YAML readers disagree about numbers that begin with 0; write {plain}, or \"{text}\" for text"
        ));
    }
    if let Ok(integer) = number.parse() {
        return Ok(Value::Integer(integer));
    }
    if number.bytes().all(|b| b"0123456789+-.eE".contains(&b))
        && let Ok(float) = number.parse()
    {
        return Ok(Value::Float(float));
    }
    Ok(text_value())
}

/// `text` without its underscores, if each of them is between two digits.
fn without_underscores(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let digit = |i: usize| bytes.get(i).is_some_and(u8::is_ascii_hexdigit);
    let fits = |i: usize| i > 0 && digit(i - 1) && digit(i + 1);
    bytes.iter().enumerate().all(|(i, &b)| b != b'_' || fits(i)).then(|| text.replace('_', ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::Text { text: text.to_owned(), quoted: false }
    }

    #[test]
    fn numbers_of_the_core_schema_with_underscores() {
        for (written, value) in [
            ("100_000", Value::Integer(100_000)),
            ("-1_0", Value::Integer(-10)),
            ("0", Value::Integer(0)),
            ("0x1f", Value::Integer(31)),
            ("0o17", Value::Integer(15)),
            ("1e-3", Value::Float(1e-3)),
            ("1E5", Value::Float(1e5)),
            (".5", Value::Float(0.5)),
            ("2.", Value::Float(2.0)),
            ("1_000.5", Value::Float(1000.5)),
            ("-.inf", Value::Float(f64::NEG_INFINITY)),
        ] {
            assert_eq!(resolve(written), Ok(value), "{written}");
        }
    }

    #[test]
    fn what_only_looks_like_a_number_is_text() {
        for written in
            ["inf", "nan", "1__0", "_1", "1_", "1.2.3", "2026-11-23", "12:30", "0x", "e5", "cpu", "no", "yes"]
        {
            assert_eq!(resolve(written), Ok(text(written)), "{written}");
        }
    }

    #[test]
    fn a_leading_zero_is_refused() {
        let message = resolve("010").expect_err("ambiguous");
        assert!(message.contains("write 10"), "{message}");
        assert!(resolve("-00").is_err());
    }
}

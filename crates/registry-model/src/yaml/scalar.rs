//! What an unquoted scalar means: the YAML 1.2 core schema.

use saphyr_parser::ScalarStyle;

/// The meaning of a scalar.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Resolved<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
}

/// The meaning of a scalar without a tag.
pub(crate) fn resolve(value: &str, style: ScalarStyle) -> Resolved<'_> {
    if style != ScalarStyle::Plain {
        return Resolved::Text(value);
    }
    match value {
        "" | "~" | "null" | "Null" | "NULL" => Resolved::Null,
        "true" | "True" | "TRUE" => Resolved::Bool(true),
        "false" | "False" | "FALSE" => Resolved::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" => Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Resolved::Float(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
        _ => number(value).unwrap_or(Resolved::Text(value)),
    }
}

fn number(value: &str) -> Option<Resolved<'_>> {
    let radix = |digits, radix| i64::from_str_radix(digits, radix).ok().map(Resolved::Int);
    if let Some(digits) = value.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = value.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let digits = value.trim_start_matches(['+', '-']);
    let numeric = digits.len() + 1 >= value.len()
        && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && digits.bytes().any(|b| b.is_ascii_digit())
        && digits
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    if !numeric {
        return None;
    }
    match value.parse() {
        Ok(int) => Some(Resolved::Int(int)),
        Err(_) => value.parse().ok().map(Resolved::Float),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unquoted_scalars_have_a_type() {
        let plain = |value| resolve(value, ScalarStyle::Plain);
        assert_eq!(plain("null"), Resolved::Null);
        assert_eq!(plain("True"), Resolved::Bool(true));
        assert_eq!(plain("yes"), Resolved::Text("yes"));
        assert_eq!(plain("-12"), Resolved::Int(-12));
        assert_eq!(plain("1.5"), Resolved::Float(1.5));
        assert_eq!(plain("1e3"), Resolved::Float(1000.0));
        assert_eq!(plain("0x1f"), Resolved::Int(31));
        assert_eq!(plain("-.inf"), Resolved::Float(f64::NEG_INFINITY));
        assert_eq!(plain("inf"), Resolved::Text("inf"));
        assert_eq!(plain("1.2.3"), Resolved::Text("1.2.3"));
        assert_eq!(plain("2Gi"), Resolved::Text("2Gi"));
        assert_eq!(resolve("1", ScalarStyle::SingleQuoted), Resolved::Text("1"));
    }
}

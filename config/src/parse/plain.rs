//! The types of unquoted YAML scalars: the core schema of YAML 1.2, in which `yes` and `on` are text.

use crate::document::Value;

/// What an unquoted scalar means.
pub(crate) fn resolve(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        _ if is_number(text) => Value::Number(text.to_owned()),
        _ => Value::String(text.to_owned()),
    }
}

fn is_number(text: &str) -> bool {
    // These take no sign in the core schema, and neither does `.nan`; decimals and `.inf` do.
    if let Some(digits) = text.strip_prefix("0x") {
        return !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_hexdigit());
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return !digits.is_empty() && digits.bytes().all(|it| (b'0'..=b'7').contains(&it));
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let text = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(text, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    let is_mantissa = digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    is_mantissa && exponent.is_none_or(|it| !it.is_empty() && digits(it))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unquoted_scalars_follow_the_core_schema() {
        for text in ["0", "-12", "+3", "0o17", "0x1F", "1.", ".5", "1.5e-3", "-.inf", ".NaN", "012", "1E5"] {
            assert_eq!(resolve(text), Value::Number(text.to_owned()), "{text}");
        }
        for text in [
            "yes", "no", "on", "off", "1_000", "0b1", "1e", ".", "e5", "-", "1.2.3", "12:30", "tRue", "nil",
            "0x", "+0x1", "٣",
        ] {
            assert_eq!(resolve(text), Value::String(text.to_owned()), "{text}");
        }
        assert_eq!(resolve("Null"), Value::Null);
        assert_eq!(resolve("True"), Value::Bool(true));
    }
}

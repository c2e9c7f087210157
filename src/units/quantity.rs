//! Kubernetes' quantity grammar: `120`, `1.5`, `500m`, `2Ki`, `1e3`; 17 digits, nearest `f64` (DESIGN 12).

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no quantity: write a number with an optional suffix, as `120`, `0.5`, `500m` or `2Ki`")]
pub struct QuantityError {
    text: String,
}

const SUFFIXES: [(&str, f64); 15] = [
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

/// The value of a quantity: finite and not negative.
///
/// # Errors
/// [`QuantityError`] for an empty text, a sign, more than 17 significant digits, an unknown suffix, or an overflow.
pub fn parse_quantity(text: &str) -> Result<f64, QuantityError> {
    parse(text)
        .filter(|v| v.is_finite())
        .ok_or_else(|| QuantityError { text: text.chars().take(64).collect() })
}

fn parse(text: &str) -> Option<f64> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let digits = number.chars().filter(char::is_ascii_digit).count();
    // Zeros in front say nothing: every double has a text of 17 digits after them.
    let significant = number.trim_start_matches(['0', '.']).chars().filter(char::is_ascii_digit).count();
    if digits == 0 || significant > 17 || number.chars().filter(|&c| c == '.').count() > 1 {
        return None;
    }
    if let Some(exponent) = suffix.strip_prefix(['e', 'E'])
        && !exponent.is_empty()
        && exponent != "i"
    {
        let unsigned = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if unsigned.is_empty() || unsigned.len() > 3 || !unsigned.chars().all(|c| c.is_ascii_digit()) {
            return None;
        }
        return format!("{number}e{exponent}").parse().ok();
    }
    let value: f64 = number.parse().ok()?;
    if suffix.is_empty() {
        return Some(value);
    }
    SUFFIXES.iter().find(|(name, _)| *name == suffix).map(|(_, scale)| match *scale {
        // A decimal fraction is parsed as one, so that `100m` is the double nearest to 0.1.
        1e-9 => format!("{number}e-9").parse().unwrap_or(value),
        1e-6 => format!("{number}e-6").parse().unwrap_or(value),
        1e-3 => format!("{number}e-3").parse().unwrap_or(value),
        scale => value * scale,
    })
}

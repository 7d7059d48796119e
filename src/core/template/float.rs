//! Floats as Go's `strconv.FormatFloat` writes them.

use super::printf::SIZE_MAX;

/// A finite float that is not negative, by a verb of `eEfgG`; without precision as short as reads back the same.
pub(super) fn format_float(n: f64, verb: char, prec: Option<usize>) -> String {
    let text = match verb {
        'f' => format!("{n:.*}", prec.unwrap_or(6).min(SIZE_MAX as usize)),
        'e' | 'E' => exponent(&prec.map_or_else(|| format!("{n:e}"), |p| format!("{n:.p$e}"))),
        _ => {
            let text = match prec {
                None => format!("{n:e}"),
                Some(p) => format!("{n:.*e}", p.clamp(1, 800) - 1),
            };
            let (mantissa, exp) = text.split_once('e').unwrap_or((&text, "0"));
            let exp: i64 = exp.parse().unwrap_or_default();
            // The shortest form is decided on as if six digits were asked for.
            let limit = prec.map_or(6, |p| p.max(1) as i64);
            if exp < -4 || exp >= limit {
                exponent(&format!("{}e{exp}", trimmed(mantissa)))
            } else if prec.is_none() {
                format!("{n}")
            } else {
                let digits = mantissa.bytes().filter(u8::is_ascii_digit).count() as i64;
                trimmed(&format!("{n:.*}", (digits - 1 - exp).max(0) as usize)).to_owned()
            }
        }
    };
    if verb.is_ascii_uppercase() { text.to_uppercase() } else { text }
}

fn trimmed(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

/// At least two digits and a sign in the exponent.
fn exponent(text: &str) -> String {
    let (mantissa, exp) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = exp.strip_prefix('-').map_or(('+', exp), |d| ('-', d));
    format!("{mantissa}e{sign}{digits:0>2}")
}

//! Durations as people write them: `20s`, `5m`, `1h30m`, `500ms`; the same words as in the settings of the service.

use std::time::Duration;

/// Reads a duration.
///
/// # Errors
/// A sentence that says how durations are written.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a duration; write 20s, 5m, 1h30m or 500ms");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest
            .find(|letter: char| !letter.is_ascii_digit())
            .ok_or_else(wrong)?;
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        let unit_end = rest[digits..]
            .find(|letter: char| letter.is_ascii_digit())
            .map_or(rest.len(), |at| digits + at);
        let ms_each: u64 = match &rest[digits..unit_end] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let part = number.checked_mul(ms_each).map(Duration::from_millis);
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = &rest[unit_end..];
    }
    Ok(total)
}

/// Reads a duration that is not nothing.
///
/// # Errors
/// The same, and for 0.
pub(crate) fn parse_some(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        some => Ok(some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, ms) in [
            ("20s", 20_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1m1s1ms", 61_001),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused_with_its_text() {
        for text in [
            "",
            "20",
            "s",
            "20 s",
            "1d",
            "-1s",
            "99999999999999999999h",
            "18446744073709551615h",
        ] {
            assert!(parse(text).is_err_and(|error| error.contains(text)), "{text}");
        }
        assert!(parse_some("0s").is_err());
    }
}

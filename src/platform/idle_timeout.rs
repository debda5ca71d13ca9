//! Idle timeouts as people write them on objects and policies: `30m`, `1h30m`, `never`.
//!
//! Settings of the process are read by `config`; they refuse what here means "never".

use jiff::SignedDuration;

use crate::domain::platform_object::IdleTimeout;

/// Longer than this (100 years) is never: the sum with a time of the clock must stay exact in a Lua number.
const LONGEST_MS: u64 = 100 * 365 * 24 * 3600 * 1000;

/// Reads a duration of Go's notation. `None`: the text is no duration, and the caller warns and takes
/// [`IdleTimeout::Never`], since a typo must not put anybody to sleep.
///
/// Empty, `0`, `never` and negative durations are never on purpose. A part of a millisecond counts as one.
#[must_use]
pub fn parse(text: &str) -> Option<IdleTimeout> {
    if text.is_empty() || text == "0" || text.eq_ignore_ascii_case("never") {
        return Some(IdleTimeout::Never);
    }
    let duration: SignedDuration = text.parse().ok()?;
    if duration.is_zero() || duration.is_negative() {
        return Some(IdleTimeout::Never);
    }
    match u64::try_from(duration.as_millis()) {
        Ok(ms) if ms <= LONGEST_MS => Some(IdleTimeout::AfterMs(ms.max(1))),
        _ => Some(IdleTimeout::Never),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_of_go_are_read() {
        for (text, ms) in [
            ("30m", 1_800_000),
            ("1h30m", 5_400_000),
            ("1.5h", 5_400_000),
            ("90s", 90_000),
            ("300ms", 300),
            ("2h45m30s", 9_930_000),
            ("100us", 1),
        ] {
            assert_eq!(parse(text), Some(IdleTimeout::AfterMs(ms)), "{text}");
        }
    }

    #[test]
    fn never_can_be_written_in_several_ways() {
        for text in [
            "",
            "0",
            "0s",
            "0h0m",
            "never",
            "Never",
            "-5m",
            "-1s",
            "9000000h",
            "9223372036854775807s",
        ] {
            assert_eq!(parse(text), Some(IdleTimeout::Never), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_never_or_within_what_the_scripts_can_add(text in ".{0,40}|-?[0-9.]{0,30}(h|m|s|ms|us|ns|d){0,3}") {
            if let Some(IdleTimeout::AfterMs(ms)) = parse(&text) {
                prop_assert!((1..=LONGEST_MS).contains(&ms), "{:?}", text);
            }
        }

        #[test]
        fn a_number_with_its_unit_is_that_long(
            number in 1_u64..100_000_000,
            (unit, unit_ms) in proptest::sample::select(vec![("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)]),
        ) {
            let ms = number * unit_ms;
            let wanted = if ms > LONGEST_MS { IdleTimeout::Never } else { IdleTimeout::AfterMs(ms) };
            prop_assert_eq!(parse(&format!("{number}{unit}")), Some(wanted));
        }
    }

    #[test]
    fn what_is_no_duration_is_told_apart_from_never() {
        for text in [
            "soon",
            "30",
            "30x",
            "1d",
            "30m!",
            " ",
            "99999999999999999999h",
            "1mo",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}

//! Durations as people write them in settings: `20s`, `1h30m`, `250ms`.

use std::time::Duration;

use jiff::SignedDuration;

/// Reads a duration such as `20s` or `1h30m`; refuses negative ones.
///
/// # Errors
/// A sentence for the person at the command line.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    let signed: SignedDuration = text
        .parse()
        .map_err(|_| format!("'{text}' is not a duration; write it like 20s, 5m or 1h30m"))?;
    Duration::try_from(signed).map_err(|_| format!("'{text}' is negative; durations are zero or more"))
}

/// Milliseconds, saturating: the unit of the scripts.
pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_people_write_them() {
        assert_eq!(parse("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse("250ms"), Ok(Duration::from_millis(250)));
        for bad in ["", "10", "1x", "-5m"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}

//! What can be told of a JWT without trusting it: whether it has the shape of one, and when it says it ends.
//!
//! Nothing here lets anybody in. The end is believed only where it makes things stricter.

use std::time::Duration;

use serde::Deserialize;

#[derive(Deserialize)]
struct Claims {
    exp: Option<f64>,
}

/// Whether it has three parts of base64url. Anything else is no token of a cluster, and not worth a question.
pub(super) fn has_shape(token: &str) -> bool {
    let mut parts = 0;
    token.split('.').all(|part| {
        parts += 1;
        !part.is_empty() && part.bytes().all(|byte| value(byte).is_some())
    }) && parts == 3
}

/// How long it is good for by its own word, at `now_ms` of the Unix epoch; `None` when it does not say.
pub(super) fn remaining(token: &str, now_ms: i64) -> Option<Duration> {
    let payload = decode(token.split('.').nth(1)?)?;
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    let ends_at_ms = claims.exp? * 1000.0;
    #[expect(
        clippy::cast_precision_loss,
        reason = "milliseconds of this era are exact in f64"
    )]
    let left_ms = (ends_at_ms - now_ms as f64).max(0.0);
    Duration::try_from_secs_f64(left_ms / 1000.0).ok()
}

/// base64url without padding, as JWTs have it (RFC 7515).
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let (mut bits, mut count) = (0_u32, 0);
    for byte in text.bytes() {
        bits = (bits << 6) | u32::from(value(byte)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).ok()?);
        }
    }
    Some(bytes)
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => Some(byte - b'A'),
        b'a'..=b'z' => Some(byte - b'a' + 26),
        b'0'..=b'9' => Some(byte - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"alg":"none"}.{"exp":1700000000}.x`
    const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjE3MDAwMDAwMDB9.eA";

    #[test]
    fn only_three_parts_of_base64url_look_like_a_token_of_a_cluster() {
        assert!(has_shape(TOKEN) && has_shape("a.b.c"));
        for other in [
            "",
            "a",
            "a.b",
            "a.b.c.d",
            "a..c",
            "a.b.",
            "a.b.c=",
            "a.b.c d",
            "a.b.\u{e4}",
        ] {
            assert!(!has_shape(other), "{other:?}");
        }
    }

    #[test]
    fn a_token_says_how_long_it_is_good_for() {
        let left = |now_s: i64| remaining(TOKEN, now_s * 1000);
        assert_eq!(left(1_699_999_990), Some(Duration::from_secs(10)));
        assert_eq!(left(1_700_000_010), Some(Duration::ZERO));
        // No claims, no end, an end that is none.
        for other in [
            "a.b.c",
            "a.e30.c",
            "a.eyJleHAiOiJ4In0.c",
            "a.eyJleHAiOjFlOTk5fQ.c",
        ] {
            assert_eq!(remaining(other, 0), None, "{other}");
        }
    }
}

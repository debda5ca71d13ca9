//! Identifiers, checked once where they enter: whoever holds one of these types holds a valid id.
//!
//! The pattern keeps Redis keys and URLs unambiguous: no `:` or `/`, nothing a proxy would decode.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Longest session or connection id, in bytes.
pub const MAX_ID_BYTES: usize = 128;
/// Longest user id, in bytes of UTF-8.
pub const MAX_USER_BYTES: usize = 255;
/// Names of calls: as ids they would make a path ambiguous.
const RESERVED: [&str; 4] = ["count", "open", "heartbeat", "close"];

/// Why a text is not an id; the message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// A session or connection id outside its pattern.
    #[error("must match ^[A-Za-z0-9][A-Za-z0-9._~-]{{0,127}}$")]
    Pattern,
    /// One of the names of calls.
    #[error("'count', 'open', 'heartbeat' and 'close' are names of calls and cannot be ids")]
    Reserved,
    /// A user id that is empty, too long, or carries control characters.
    #[error("must be 1 to 255 bytes of UTF-8 without control characters")]
    User,
}

/// Which bytes an id may hold: looked up, since ten thousand heartbeats in a request have 72 bytes of ids each.
static OF_IDS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
        byte += 1;
    }
    table
};

/// Whether `text` matches `^[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$`.
#[must_use]
pub fn is_id(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= MAX_ID_BYTES
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes
            .iter()
            .fold(true, |fit, byte| fit & OF_IDS[usize::from(*byte)])
}

/// Longest word for a protocol, a gateway or a reason, in bytes.
pub const MAX_WORD_BYTES: usize = 64;

/// Whether `text` is a word: 1 to 64 letters, digits, `.`, `_` and `-`.
#[must_use]
pub fn is_word(text: &str) -> bool {
    (1..=MAX_WORD_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn parse_id(text: &str) -> Result<Arc<str>, InvalidId> {
    if !is_id(text) {
        Err(InvalidId::Pattern)
    } else if RESERVED.contains(&text) {
        Err(InvalidId::Reserved)
    } else {
        Ok(Arc::from(text))
    }
}

macro_rules! id_type {
    ($(#[$doc:meta])* $name:ident, $parse:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text` and keeps it.
            ///
            /// # Errors
            /// [`InvalidId`] when the text is outside the pattern of this kind of id.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                $parse(text).map(Self)
            }

            /// The id as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.to_string()
            }
        }
    };
}

id_type!(
    /// A session: an object `x` of namespace `n` is `n~x`; with one configured namespace just `x`.
    SessionId,
    parse_id
);
id_type!(
    /// A connection, unique within its session.
    ConnectionId,
    parse_id
);
id_type!(
    /// A user as the gateway names them (`auth0|5f..`, a mail address, a UUID).
    UserId,
    parse_user
);

fn parse_user(text: &str) -> Result<Arc<str>, InvalidId> {
    if text.is_empty() || text.len() > MAX_USER_BYTES || text.chars().any(char::is_control) {
        Err(InvalidId::User)
    } else {
        Ok(Arc::from(text))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_outside_the_pattern_are_refused_and_inside_it_kept() {
        for good in ["a", "0", "n~x", "A.b_c~d-e", &"x".repeat(128)] {
            assert_eq!(ConnectionId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "-a", ".a", "a:b", "a/b", "a b", "ä", "a\n", &"x".repeat(129)] {
            assert_eq!(SessionId::parse(bad), Err(InvalidId::Pattern), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn every_text_of_the_pattern_is_an_id_and_stays_as_it_is(text in "[A-Za-z0-9][A-Za-z0-9._~-]{0,127}") {
            prop_assume!(!RESERVED.contains(&text.as_str()));
            let id = SessionId::parse(&text).unwrap();
            prop_assert_eq!(id.as_str(), &text);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<SessionId>(&json).unwrap(), id);
        }

        #[test]
        fn one_character_outside_the_pattern_spoils_an_id(
            text in "[A-Za-z0-9][A-Za-z0-9._~-]{0,126}",
            at in any::<proptest::sample::Index>(),
            odd in any::<char>().prop_filter("outside", |c| !c.is_ascii_alphanumeric() && !"._~-".contains(*c)),
        ) {
            let mut spoiled = text.clone();
            spoiled.insert(at.index(text.len() + 1), odd);
            prop_assert_eq!(ConnectionId::parse(&spoiled), Err(InvalidId::Pattern));
        }

        #[test]
        fn any_text_is_an_id_or_an_error_and_user_ids_are_safe_to_print(text in ".{0,300}|\\PC{0,300}") {
            prop_assert_eq!(SessionId::parse(&text).is_ok(), is_id(&text) && !RESERVED.contains(&text.as_str()));
            match UserId::parse(&text) {
                Ok(user) => prop_assert!(!user.as_str().contains(['\n', '\r', '\x1b', '\0'])),
                Err(error) => prop_assert_eq!(error, InvalidId::User),
            }
        }
    }

    #[test]
    fn names_of_calls_are_not_ids() {
        for name in RESERVED {
            assert_eq!(ConnectionId::parse(name), Err(InvalidId::Reserved));
        }
    }

    #[test]
    fn user_ids_take_what_identity_providers_send() {
        for good in ["auth0|5f", "a+b@example.org", "Ünal", &"u".repeat(255)] {
            assert!(UserId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a\u{7}", &"u".repeat(256)] {
            assert_eq!(UserId::parse(bad), Err(InvalidId::User));
        }
    }
}

//! Reading replies of scripts: `{code, ...}` with integers, texts and nested lists.

use deadpool_redis::redis::Value;

use super::code::Code;
use crate::store::StoreError;

/// A reply: its code and what follows it.
#[derive(Debug)]
pub(super) struct Reply {
    doing: &'static str,
    pub(super) code: Code,
    rest: std::vec::IntoIter<Value>,
}

impl Reply {
    /// Takes a script's answer apart.
    pub(super) fn parse(doing: &'static str, value: Value) -> Result<Self, StoreError> {
        let corrupt = |detail: String| StoreError::Corrupt { doing, detail };
        let Value::Array(values) = value else {
            return Err(corrupt(format!("not a list but {}", kind(Some(&value)))));
        };
        let mut rest = values.into_iter();
        let code = match rest.next() {
            Some(Value::Int(number)) => {
                Code::from_number(number).ok_or_else(|| corrupt(format!("unknown code {number}")))?
            }
            other => return Err(corrupt(format!("no code but {}", kind(other.as_ref())))),
        };
        Ok(Self { doing, code, rest })
    }

    fn corrupt(&self, wanted: &str, found: Option<&Value>) -> StoreError {
        StoreError::Corrupt {
            doing: self.doing,
            detail: format!("{wanted} expected, found {}", kind(found)),
        }
    }

    /// A code that this script does not give.
    pub(super) fn unexpected(&self) -> StoreError {
        StoreError::Corrupt {
            doing: self.doing,
            detail: format!("unexpected code {:?}", self.code),
        }
    }

    /// The next element, an integer (also one written as text).
    pub(super) fn integer(&mut self) -> Result<i64, StoreError> {
        let value = self.rest.next();
        integer(value.as_ref()).ok_or_else(|| self.corrupt("an integer", value.as_ref()))
    }

    /// The next element, a text.
    pub(super) fn text(&mut self) -> Result<String, StoreError> {
        match self.rest.next() {
            Some(Value::BulkString(bytes)) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            other => Err(self.corrupt("a text", other.as_ref())),
        }
    }

    /// The next element, a list.
    pub(super) fn list(&mut self) -> Result<Vec<Value>, StoreError> {
        match self.rest.next() {
            Some(Value::Array(values)) => Ok(values),
            other => Err(self.corrupt("a list", other.as_ref())),
        }
    }

    /// The next element, a list of texts.
    pub(super) fn texts(&mut self) -> Result<Vec<String>, StoreError> {
        Ok(self.list()?.iter().filter_map(text).collect())
    }

    /// The next element, a list of texts each followed by an integer.
    pub(super) fn pairs(&mut self) -> Result<Vec<(String, i64)>, StoreError> {
        let list = self.list()?;
        let pairs = list.chunks_exact(2);
        Ok(pairs
            .filter_map(|pair| Some((text(&pair[0])?, integer(Some(&pair[1]))?)))
            .collect())
    }
}

/// What a value is, without what it holds: this ends in the log, and values may be about people.
fn kind(value: Option<&Value>) -> &'static str {
    match value {
        None => "nothing",
        Some(Value::Nil) => "nil",
        Some(Value::Int(_)) => "an integer",
        Some(Value::BulkString(_) | Value::SimpleString(_)) => "a text",
        Some(Value::Array(_)) => "a list",
        Some(_) => "something else",
    }
}

/// An answer of TIME, in microseconds.
pub(super) fn micros(answer: &Value) -> Option<i64> {
    let Value::Array(parts) = answer else { return None };
    let part = |at: usize| integer(parts.get(at));
    Some(part(0)? * 1_000_000 + part(1)?)
}

/// An integer, or a text that is one.
pub(super) fn integer(value: Option<&Value>) -> Option<i64> {
    match value? {
        Value::Int(number) => Some(*number),
        // Scores come as text and may carry a fraction or an exponent after a hand's change.
        Value::BulkString(bytes) => {
            let text = std::str::from_utf8(bytes).ok()?;
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds, far below 2^53")]
            text.parse::<i64>()
                .ok()
                .or_else(|| text.parse::<f64>().ok().map(|number| number as i64))
        }
        _ => None,
    }
}

/// A text.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Anything a server may send, nested, with the numbers that are hard to read.
    fn value() -> impl Strategy<Value = Value> {
        let texts = prop_oneof![
            Just(String::new()),
            Just("1e308".to_owned()),
            Just("-inf".to_owned()),
            Just("nan".to_owned()),
            Just("9223372036854775808".to_owned()),
            ".{0,20}",
        ];
        let leaf = prop_oneof![
            Just(Value::Nil),
            Just(Value::Okay),
            any::<i64>().prop_map(Value::Int),
            (0_i64..20).prop_map(Value::Int),
            texts
                .clone()
                .prop_map(|text| Value::BulkString(text.into_bytes())),
            proptest::collection::vec(any::<u8>(), 0..20).prop_map(Value::BulkString),
            texts.prop_map(Value::SimpleString),
            any::<f64>().prop_map(Value::Double),
            any::<bool>().prop_map(Value::Boolean),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                proptest::collection::vec((inner.clone(), inner), 0..3).prop_map(Value::Map),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_reply_is_read_or_an_error_that_says_what_was_asked(
            code in prop_oneof![value(), (0_i64..19).prop_map(Value::Int)],
            rest in proptest::collection::vec(value(), 0..6),
            order in proptest::collection::vec(0_u8..4, 0..8),
        ) {
            let is_code = matches!(&code, Value::Int(number) if Code::from_number(*number).is_some());
            let whole = std::iter::once(code).chain(rest.clone()).collect();
            let reply = Reply::parse("session_read", Value::Array(whole));
            prop_assert_eq!(reply.is_ok(), is_code);
            let Ok(mut reply) = reply else { return Ok(()) };
            for (place, wanted) in order.into_iter().enumerate() {
                let read = match wanted {
                    0 => reply.integer().map(drop),
                    1 => reply.text().map(drop),
                    2 => reply.list().map(drop),
                    _ => reply.texts().map(drop),
                };
                if let Err(error) = read {
                    prop_assert!(error.to_string().starts_with("session_read"), "{}", error);
                } else {
                    prop_assert!(place < rest.len(), "something was read beyond the end");
                }
            }
        }

        #[test]
        fn what_is_no_list_is_an_error(value in value()) {
            let is_list = matches!(value, Value::Array(_));
            prop_assert!(is_list || Reply::parse("session_read", value).is_err());
        }
    }
}

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

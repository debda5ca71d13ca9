//! One call of a script, or of a plain command, ready to be sent to whichever server has its keys.

use std::io::Write;

use deadpool_redis::redis::Cmd;

use super::script::Script;
use crate::failpoint::returned;

/// What is called.
#[derive(Clone, Copy)]
enum What {
    Script(&'static Script),
    /// A command, and what is being done with it.
    Plain(&'static str, &'static str),
}

/// One call.
///
/// Its keys and arguments lie one after the other in one buffer: a flush of heartbeats has thousands of
/// them, and an allocation for each would cost more than everything else here.
#[derive(Clone)]
pub(super) struct Call {
    what: What,
    words: Vec<u8>,
    /// Where each word ends.
    ends: Vec<usize>,
    /// How many of the words are keys; the rest are arguments.
    keys: usize,
}

impl Call {
    /// A call with these keys; the settings are added by the connection it is sent on.
    pub(super) fn new(script: &'static Script, keys: impl IntoIterator<Item = String>) -> Self {
        Self::of(What::Script(script), keys)
    }

    /// A plain command on one key, which is its first argument; it is safe to repeat.
    pub(super) fn plain(doing: &'static str, command: &'static str, key: String) -> Self {
        Self::of(What::Plain(command, doing), [key])
    }

    fn of(what: What, keys: impl IntoIterator<Item = String>) -> Self {
        let call = Self {
            what,
            words: Vec::new(),
            ends: Vec::new(),
            keys: 0,
        };
        let mut call = keys.into_iter().fold(call, |call, key| call.arg_str(&key));
        call.keys = call.ends.len();
        call
    }

    /// What is being done, for errors and metrics: the name of the script.
    pub(super) fn doing(&self) -> &'static str {
        match self.what {
            What::Script(script) => script.name,
            What::Plain(_, doing) => doing,
        }
    }

    /// The first key; all of them are of one slot.
    pub(super) fn key(&self) -> &[u8] {
        self.word(0)
    }

    fn word(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.words[start..self.ends[at]]
    }

    /// Adds an argument.
    pub(super) fn arg(mut self, arg: impl std::fmt::Display) -> Self {
        write!(self.words, "{arg}").expect("a vector takes whatever is written");
        self.ends.push(self.words.len());
        self
    }

    /// Adds a text as an argument.
    pub(super) fn arg_str(mut self, arg: &str) -> Self {
        self.words.extend_from_slice(arg.as_bytes());
        self.ends.push(self.words.len());
        self
    }

    /// As it is sent to a server whose connection has these settings.
    pub(super) fn command(&self, settings: &str, with_source: bool) -> Cmd {
        let script = match self.what {
            What::Script(script) => script,
            What::Plain(command, _) => {
                let mut cmd = Cmd::with_capacity(self.ends.len() + 1, self.words.len() + command.len());
                cmd.arg(command);
                for at in 0..self.ends.len() {
                    cmd.arg(self.word(at));
                }
                return cmd;
            }
        };
        let (name, text) = if with_source {
            ("EVAL", &script.source)
        } else {
            ("EVALSHA", &script.sha)
        };
        let size = text.len() + settings.len() + self.words.len();
        let mut cmd = Cmd::with_capacity(self.ends.len() + 4, size + 32);
        cmd.arg(name).arg(text).arg(self.keys);
        for at in 0..self.keys {
            cmd.arg(self.word(at));
        }
        if script.takes_settings {
            match returned!("replica-clock") {
                None => cmd.arg(settings),
                Some(ms) => cmd.arg(settings.replacen('{', &format!("{{\"replica_clock_ms\":{ms},"), 1)),
            };
        }
        for at in self.keys..self.ends.len() {
            cmd.arg(self.word(at));
        }
        cmd
    }
}

//! `token`: a new random token for a client, shown once, and its line for the file of tokens.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::service::tokens;

/// First part of every token made here: whoever finds one in a log or a repository knows what it opens.
const PREFIX: &str = "ctk_";

#[derive(Debug, clap::Args)]
pub(super) struct Token {
    /// Who will use it, as it is to stand in the log and in records
    #[arg(long)]
    client: String,
    /// What it may do: gateway, reader, operator, or several with commas between
    #[arg(long)]
    roles: String,
    /// Which sessions: all, or prefix:<first part of ids> and namespace:<name> with commas between
    #[arg(long, default_value = "all")]
    scope: String,
}

impl Token {
    pub(super) fn run(self) -> anyhow::Result<()> {
        let token = random();
        let line =
            tokens::line(&self.client, &self.roles, &self.scope, &token).map_err(anyhow::Error::msg)?;
        let text = format!(
            "The token, shown this once; give it to the client:\n{token}\n\n\
             The line for the file that TRACKER_AUTH_TOKENS_FILE names:\n{line}\n"
        );
        std::io::stdout().write_all(text.as_bytes())?;
        Ok(())
    }
}

/// 256 random bits, which no one guesses and no salt or slow hash has to protect.
fn random() -> String {
    let mut token = PREFIX.to_owned();
    for byte in rand::random::<[u8; 32]>() {
        let _ = write!(token, "{byte:02x}");
    }
    token
}

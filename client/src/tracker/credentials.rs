//! The bearer token: a fixed one, or that of a file, which is read again since tokens are replaced.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use reqwest::header::HeaderValue;

use crate::error::BuildError;

/// How long a token from a file is used before the file is looked at again. Longer, and a token that is
/// withdrawn soon after its successor was written is still sent; after a 401 or 403 nothing is waited for.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// What a call shows to be let in.
#[derive(Debug)]
pub(super) enum Credentials {
    None,
    Fixed(HeaderValue),
    File(TokenFile),
}

impl Credentials {
    /// The value of the header `authorization` for a call made now.
    pub(super) async fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::None => None,
            Self::Fixed(value) => Some(value.clone()),
            Self::File(file) => Some(file.header().await),
        }
    }

    /// The service did not accept what was shown: the next call looks at the file again.
    pub(super) fn refused(&self) {
        if let Self::File(file) = self {
            file.lock().looked_at = None;
        }
    }
}

/// A file that holds one token, and spaces around it at most.
#[derive(Debug)]
pub(super) struct TokenFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    value: HeaderValue,
    looked_at: Option<Instant>,
}

impl TokenFile {
    /// Reads it for the first time.
    pub(super) fn open(path: PathBuf) -> Result<Self, BuildError> {
        let text = std::fs::read_to_string(&path).map_err(|source| BuildError::TokenFile {
            path: path.clone(),
            source,
        })?;
        let state = Mutex::new(State {
            value: bearer(text.trim())?,
            looked_at: Some(Instant::now()),
        });
        Ok(Self { path, state })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn header(&self) -> HeaderValue {
        {
            let mut state = self.lock();
            if state.looked_at.is_some_and(|at| at.elapsed() < LOOK_AGAIN) {
                return state.value.clone();
            }
            // Before the look, so that calls beside this one do not look too.
            state.looked_at = Some(Instant::now());
        }
        let found = read(&self.path).await;
        let mut state = self.lock();
        match found {
            Ok(value) => state.value = value,
            // It is being replaced, or lost; the token known may well be good still.
            Err(why) => {
                tracing::warn!(path = %self.path.display(), why, "the token cannot be read; the last one is used");
            }
        }
        state.value.clone()
    }
}

async fn read(path: &Path) -> Result<HeaderValue, String> {
    let text = tokio::fs::read_to_string(path)
        .await
        .map_err(|error| error.to_string())?;
    bearer(text.trim()).map_err(|error| error.to_string())
}

/// The header that carries a token.
pub(super) fn bearer(token: &str) -> Result<HeaderValue, BuildError> {
    if token.is_empty() {
        return Err(BuildError::Token);
    }
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| BuildError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

//! What a failure of Postgres means: the one place where errors of the driver become [`StoreError`], and
//! where a refused value is told from a server in trouble.

use std::borrow::Cow;

use sqlx::migrate::MigrateError;

use crate::store::StoreError;

/// What to do about a schema that does not fit.
pub(super) const RUN_MIGRATE: &str = "run `connection-tracker migrate`";

/// Names what was being done and sorts `error` into the four kinds of [`StoreError`].
pub(super) fn map(doing: &'static str, error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Database(refusal) => {
            let code = refusal.code().unwrap_or_default().into_owned();
            let detail = format!("{} (SQLSTATE {code})", refusal.message());
            match Meaning::of(&code) {
                // The message may quote the value, which may be about a person, and errors are logged.
                Meaning::Data => StoreError::Corrupt {
                    doing,
                    detail: format!("a value was refused (SQLSTATE {code})"),
                },
                Meaning::Schema => StoreError::Conflict {
                    doing,
                    detail: format!("{detail}; {RUN_MIGRATE}"),
                },
                Meaning::Limit => StoreError::Timeout { doing },
                Meaning::Server => StoreError::Unavailable {
                    doing,
                    source: Box::new(refusal),
                },
            }
        }
        sqlx::Error::Configuration(source) => StoreError::Conflict {
            doing,
            detail: source.to_string(),
        },
        sqlx::Error::Migrate(source) => migration(doing, *source),
        error @ (sqlx::Error::Encode(_)
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnIndexOutOfBounds { .. }
        | sqlx::Error::TypeNotFound { .. }
        | sqlx::Error::RowNotFound) => StoreError::Corrupt {
            doing,
            detail: error.to_string(),
        },
        // Broken connections, no connection in time, a driver out of step: another try may succeed.
        // The enum may grow, and a failure nobody foresaw must not count as somebody's bad data.
        other => StoreError::Unavailable {
            doing,
            source: Box::new(other),
        },
    }
}

/// A failed migration: the failure of its statement, or a contradiction between binary and database.
pub(super) fn migration(doing: &'static str, error: MigrateError) -> StoreError {
    match error {
        MigrateError::Execute(error) => map(doing, error),
        MigrateError::ExecuteMigration(error, version) => match map(doing, error) {
            StoreError::Corrupt { detail, .. } | StoreError::Conflict { detail, .. } => {
                StoreError::Conflict {
                    doing,
                    detail: format!("migration {version}: {detail}"),
                }
            }
            transient => transient,
        },
        other => StoreError::Conflict {
            doing,
            detail: other.to_string(),
        },
    }
}

/// Whether a value was refused, so that the same batch without it can succeed.
pub(super) fn is_data(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Encode(_))
        || sqlstate(error).is_some_and(|code| matches!(Meaning::of(&code), Meaning::Data))
}

/// Whether a table that every migrated database has is missing.
pub(super) fn is_undefined_table(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|code| code == "42P01")
}

/// The code of a refusal, if the server gave one.
pub(super) fn sqlstate(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error()?.code()
}

/// What an SQLSTATE says about whose fault it is.
enum Meaning {
    Data,
    Schema,
    Limit,
    Server,
}

impl Meaning {
    fn of(code: &str) -> Self {
        match code {
            // query_canceled by statement_timeout, lock_not_available by lock_timeout.
            "57014" | "55P03" => Self::Limit,
            // What cannot be represented, what breaks a constraint, what exceeds a limit of a row or an
            // index, and two values for one key.
            _ if ["21", "22", "23", "54"]
                .iter()
                .any(|class| code.starts_with(class)) =>
            {
                Self::Data
            }
            // A table or column that is not there, or not ours to use.
            _ if ["3F", "42"].iter().any(|class| code.starts_with(class)) => Self::Schema,
            // Shutting down, starting, read-only, out of something, deadlock: it may pass.
            _ => Self::Server,
        }
    }
}

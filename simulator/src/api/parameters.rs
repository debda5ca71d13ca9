//! The query parameters of requests for objects.

use serde::Deserialize;

/// The parameters of reads; those not named here change nothing (fieldManager, pretty).
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Parameters {
    pub(crate) watch: Option<String>,
    pub(crate) resource_version: String,
    pub(crate) resource_version_match: String,
    pub(crate) allow_watch_bookmarks: Option<String>,
    pub(crate) send_initial_events: Option<String>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) limit: Option<usize>,
    #[serde(rename = "continue")]
    pub(crate) continue_token: String,
    pub(crate) field_selector: String,
    pub(crate) label_selector: String,
    pub(crate) dry_run: Option<String>,
}

impl Parameters {
    /// The one name a field selector asks for.
    pub(crate) fn selected_name(&self) -> Option<&str> {
        let mut parts = self.field_selector.split(',');
        parts.find_map(|part| part.strip_prefix("metadata.name=")?.split('=').next_back())
    }

    pub(crate) fn wants_watch(&self) -> bool {
        is_true(self.watch.as_deref())
    }

    pub(crate) fn wants_bookmarks(&self) -> bool {
        is_true(self.allow_watch_bookmarks.as_deref())
    }

    pub(crate) fn wants_initial_events(&self) -> bool {
        is_true(self.send_initial_events.as_deref())
    }
}

/// The real server takes `true`, `1`, and a parameter without a value.
fn is_true(value: Option<&str>) -> bool {
    value.is_some_and(|value| !matches!(value, "false" | "0"))
}

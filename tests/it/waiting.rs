//! The long poll: it keeps its connection alive, says how far a wake is, and ends as soon as waiting is of no use.

mod long;
mod outcomes;

use crate::support::{Answer, Api};

/// `GET /v1/sessions/{session}/wait?{query}`
async fn wait(api: &Api, session: &str, query: &str) -> Answer {
    api.get(&format!("/v1/sessions/{session}/wait?{query}")).await
}

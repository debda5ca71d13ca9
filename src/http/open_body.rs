//! What a gateway tells of a connection it opens: checked, cut, and made a request of the domain.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use utoipa::ToSchema;

use super::problem::Problem;
use crate::domain::connection::{ConnectionDetails, Intent, MAX_AGENT_BYTES, OpenRequest};
use crate::domain::{ConnectionId, UserId, is_word};

/// Entries and bytes of the caller's own map; it is kept with every connection in memory.
const MAX_METADATA: usize = 16;
const MAX_METADATA_BYTES: usize = 1024;

/// What a gateway tells of a connection it opens.
#[derive(Debug, Clone, Deserialize, ToSchema)]
pub(super) struct OpenBody {
    /// Who is connected: 1 to 255 bytes of UTF-8 without control characters.
    #[schema(min_length = 1, max_length = 255, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub user_id: String,
    /// Address of the user; stored cut to /24 or /48 unless configured otherwise.
    #[schema(value_type = Option<String>, example = "203.0.113.7", pattern = "^(((25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])\\.){3}(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])|([0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4}|([0-9A-Fa-f]{1,4}:){1,7}:|([0-9A-Fa-f]{1,4}:){1,6}:[0-9A-Fa-f]{1,4}|([0-9A-Fa-f]{1,4}:){1,5}(:[0-9A-Fa-f]{1,4}){1,2}|([0-9A-Fa-f]{1,4}:){1,4}(:[0-9A-Fa-f]{1,4}){1,3}|([0-9A-Fa-f]{1,4}:){1,3}(:[0-9A-Fa-f]{1,4}){1,4}|([0-9A-Fa-f]{1,4}:){1,2}(:[0-9A-Fa-f]{1,4}){1,5}|[0-9A-Fa-f]{1,4}:(:[0-9A-Fa-f]{1,4}){1,6}|:(:[0-9A-Fa-f]{1,4}){1,7}|::)$")]
    pub client_ip: Option<IpAddr>,
    /// User agent; cut at 512 bytes, control characters stripped.
    pub user_agent: Option<String>,
    /// `websocket`, `vnc`, `http`, ...
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub protocol: Option<String>,
    /// Which gateway holds the socket.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    pub gateway: Option<String>,
    /// Who asks: only `user` wakes a sleeping session.
    #[serde(default)]
    pub intent: Intent,
    /// An older connection of the same user that this one replaces.
    #[schema(pattern = "^(?!(?:count|open|heartbeat|close)$)[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$")]
    pub replaces: Option<String>,
    /// A small map of your own: at most 16 entries and 1 KiB.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

impl OpenBody {
    /// Checks and cuts; `pointer` names the place in the body for errors.
    pub(super) fn into_request(
        self,
        id: ConnectionId,
        pointer: &str,
        keeps_full_addresses: bool,
    ) -> Result<OpenRequest, Problem> {
        let at = |field: &str| format!("{pointer}/{field}");
        let user = UserId::parse(&self.user_id)
            .map_err(|error| Problem::invalid(at("user_id"), error.to_string()))?;
        let replaces = self
            .replaces
            .map(|id| ConnectionId::parse(&id))
            .transpose()
            .map_err(|error| Problem::invalid(at("replaces"), error.to_string()))?;
        let size: usize = self
            .metadata
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum();
        if self.metadata.len() > MAX_METADATA || size > MAX_METADATA_BYTES {
            return Err(Problem::invalid(at("metadata"), "at most 16 entries and 1 KiB"));
        }
        Ok(OpenRequest {
            id,
            details: ConnectionDetails {
                connected_at: 0,
                user,
                // Listeners for both families report IPv4 as ::ffff:a.b.c.d, which cut as IPv6 would say nothing.
                address: self
                    .client_ip
                    .map(|address| address.to_canonical())
                    .map(|address| {
                        if keeps_full_addresses {
                            address
                        } else {
                            cut_address(address)
                        }
                    }),
                agent: self.user_agent.map(|agent| cut_text(&agent, MAX_AGENT_BYTES)),
                protocol: word(self.protocol, &at("protocol"))?,
                gateway: word(self.gateway, &at("gateway"))?,
                metadata: self
                    .metadata
                    .into_iter()
                    .map(|(key, value)| {
                        (
                            cut_text(&key, MAX_METADATA_BYTES),
                            cut_text(&value, MAX_METADATA_BYTES),
                        )
                    })
                    .collect(),
            },
            intent: self.intent,
            replaces,
        })
    }
}

/// Cut to /24 and /48: addresses of people are kept only as exactly as usage and sharing need them.
fn cut_address(address: IpAddr) -> IpAddr {
    let bits = if address.is_ipv4() { 24 } else { 48 };
    IpNet::new(address, bits).map_or(address, |net| net.trunc().addr())
}

/// Strips control characters and cuts at a character boundary; never an error.
fn cut_text(text: &str, max_bytes: usize) -> String {
    let mut kept: String = text.chars().filter(|c| !c.is_control()).collect();
    kept.truncate(kept.floor_char_boundary(max_bytes));
    kept
}

/// A word of letters, digits, `.`, `_` and `-`.
pub(super) fn word(text: Option<String>, pointer: &str) -> Result<Option<String>, Problem> {
    match text {
        Some(text) if !is_word(&text) => Err(Problem::invalid(
            pointer,
            "must be 1 to 64 letters, digits, '.', '_' or '-'",
        )),
        text => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn field(most: usize) -> impl Strategy<Value = Option<String>> {
        let any_text = proptest::collection::vec(any::<char>(), 0..most).prop_map(String::from_iter);
        proptest::option::of(prop_oneof![
            any_text,
            "[a-z.-]{1,64}",
            "[\0\n\u{1b}]{1,3}",
            "é{250,260}"
        ])
    }

    proptest! {
        #[test]
        fn what_is_taken_is_within_its_limits_and_safe_for_scripts_and_logs(
            user_id in field(300),
            user_agent in field(900),
            protocol in field(80),
            gateway in field(80),
            metadata in proptest::collection::btree_map(".{0,40}", ".{0,90}", 0..20),
            client_ip in proptest::option::of(any::<IpAddr>()),
        ) {
            let body = OpenBody {
                user_id: user_id.clone().unwrap_or_default(),
                client_ip,
                user_agent,
                protocol,
                gateway,
                intent: Intent::User,
                replaces: None,
                metadata,
            };
            let Ok(request) = body.into_request(ConnectionId::parse("c").unwrap(), "", false) else {
                return Ok(());
            };
            let kept = &request.details;
            prop_assert_eq!(Some(kept.user.as_str()), user_id.as_deref());
            prop_assert!(kept.agent.as_ref().is_none_or(|agent| agent.len() <= MAX_AGENT_BYTES));
            prop_assert!(kept.metadata.len() <= MAX_METADATA);
            // The scripts take the details apart by their first byte, and what follows must be one line.
            let json = serde_json::to_string(kept).unwrap();
            prop_assert!(json.starts_with(r#"{"user":""#), "{}", json);
            prop_assert!(!json.chars().any(|c| c.is_ascii_control()), "{}", json);
            let read: ConnectionDetails = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(&read, kept);
        }
    }

    #[test]
    fn addresses_are_cut_to_their_network() {
        assert_eq!(
            cut_address("203.0.113.77".parse().unwrap()).to_string(),
            "203.0.113.0"
        );
        assert_eq!(
            cut_address("2001:db8:1:2::3".parse().unwrap()).to_string(),
            "2001:db8:1::"
        );
    }

    #[test]
    fn an_ipv4_address_is_the_same_whichever_listener_reports_it() {
        let body: OpenBody =
            serde_json::from_str(r#"{"user_id": "ann", "client_ip": "::ffff:203.0.113.77"}"#).unwrap();
        let request = body
            .into_request(ConnectionId::parse("c1").unwrap(), "", false)
            .unwrap();
        assert_eq!(request.details.address, Some("203.0.113.0".parse().unwrap()));
    }

    #[test]
    fn agents_are_stripped_and_cut_and_never_an_error() {
        assert_eq!(cut_text("Mozilla\u{1b}[31m\n", 512), "Mozilla[31m");
        assert_eq!(cut_text("aé", 2), "a");
    }
}

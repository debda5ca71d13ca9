//! Who comes in: what a request must say, and what is believed of it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, OriginalUri, Path, State};
use axum::http::header::{HOST, ORIGIN, SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use connection_tracker_client::{Intent, OpenRequest};
use uuid::Uuid;

use crate::visit::Visit;
use crate::{Settings, Shared};

/// Largest message of a user.
const MESSAGE_BYTES: usize = 4 << 20;
const MAX_SESSION_BYTES: usize = 128;

type Refusal = (StatusCode, &'static str);

/// A user arrives.
pub(crate) async fn arrive(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(target): Path<Vec<String>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // As it came: decoded, a path could lead elsewhere than it said.
    let target_text = uri.path_and_query().map_or("", |text| text.as_str());
    let session = target.into_iter().next().unwrap_or_default();
    let checked = own_page(&headers, &shared.settings.origins)
        .and_then(|()| user(&headers, &shared.settings))
        .and_then(|user| Ok((user, rest(&session, target_text)?)));
    let (user, rest) = match checked {
        Ok(checked) => checked,
        Err(refusal) => return refusal.into_response(),
    };
    let visit = Visit {
        session,
        rest: rest.to_owned(),
        // Never used twice: a number would begin anew with the process.
        connection: Uuid::now_v7().to_string(),
        request: OpenRequest {
            client_ip: Some(client_ip(&headers, peer)),
            user_agent: text(&headers, USER_AGENT.as_str()).map(str::to_owned),
            protocol: Some("websocket".to_owned()),
            intent: intent(uri.query()),
            ..OpenRequest::new(user)
        },
    };
    // The first one is taken: it must be named before the session can be asked what it speaks.
    let protocols = text(&headers, SEC_WEBSOCKET_PROTOCOL.as_str()).unwrap_or_default();
    let protocols = protocols
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    let protocols: Vec<String> = protocols.map(str::to_owned).collect();
    let visits = shared.visits.clone();
    upgrade
        .max_message_size(MESSAGE_BYTES)
        .max_frame_size(MESSAGE_BYTES)
        .protocols(protocols)
        .on_upgrade(move |socket| visits.track_future(visit.carry_out(shared, socket)))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Browsers send cookies along from every page, so a stranger's page could enter as whoever looks at it. Programs name
/// no page.
fn own_page(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    let Some(origin) = headers.get(ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let is_own = || {
        let host = origin.split_once("://").map(|(_, host)| host);
        host.is_some() && host == text(headers, HOST.as_str())
    };
    let is_allowed = |allowed: &String| allowed == "*" || allowed == origin;
    if allowed.iter().any(is_allowed) || allowed.is_empty() && is_own() {
        return Ok(());
    }
    Err((
        StatusCode::FORBIDDEN,
        "pages of this origin may not connect; the gateway's --origin names those that may\n",
    ))
}

/// Named once and not by nothing: of two names one may be the user's own.
fn user(headers: &HeaderMap, settings: &Settings) -> Result<String, Refusal> {
    let mut names = headers.get_all(&settings.user_header).into_iter();
    let only = names.next().filter(|_| names.next().is_none());
    let name = only.and_then(|name| name.to_str().ok());
    let name = name.filter(|name| !name.is_empty());
    let refusal = (StatusCode::UNAUTHORIZED, "nobody said who you are\n");
    name.map(str::to_owned).ok_or(refusal)
}

/// What follows the session in the request's target.
fn rest<'a>(session: &str, target: &'a str) -> Result<&'a str, Refusal> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'~' | b'-');
    let begins = session
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    if !begins || session.len() > MAX_SESSION_BYTES || !session.bytes().all(fits) {
        return Err((StatusCode::BAD_REQUEST, "this is no name of a session\n"));
    }
    let target = target.strip_prefix('/').unwrap_or(target);
    let rest = target.find(['/', '?']).map_or("", |at| &target[at..]);
    let path = rest.split('?').next().unwrap_or_default();
    if leads_up(path) {
        return Err((StatusCode::BAD_REQUEST, "no way leads up from a session\n"));
    }
    Ok(rest)
}

/// Whether a part of a path may mean the one above, to whoever decodes it once or takes `\` for `/`.
fn leads_up(path: &str) -> bool {
    let path = path.to_ascii_lowercase().replace("%2e", ".");
    let path = path.replace("%2f", "/").replace("%5c", "/").replace('\\', "/");
    path.split('/').any(|part| part == "..")
}

/// A page that reconnects by itself adds `intent=reconnect` (browsers let it set no header): that wakes nothing.
fn intent(query: Option<&str>) -> Intent {
    let mut pairs = query.unwrap_or_default().split('&');
    if pairs.any(|pair| pair == "intent=reconnect") {
        Intent::Reconnect
    } else {
        Intent::User
    }
}

/// The user's address: the last one that the proxy in front saw, else the peer's.
fn client_ip(headers: &HeaderMap, peer: SocketAddr) -> IpAddr {
    let forwarded = headers.get_all("x-forwarded-for").into_iter().next_back();
    let forwarded = forwarded.and_then(|value| value.to_str().ok());
    let last = forwarded.and_then(|value| value.rsplit(',').next());
    last.and_then(|text| text.trim().parse().ok())
        .unwrap_or(peer.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_leads_up_however_it_is_written() {
        for path in [
            "/..",
            "/a/../b",
            "/%2e%2E/b",
            "/.%2e/b",
            "/a%2f..%2fb",
            "/..%5cb",
            "/..\\b",
        ] {
            assert_eq!(rest("s1", &format!("/s1{path}")).unwrap_err().0, 400, "{path}");
        }
        for path in ["", "/", "/vnc?path=../x", "/a..b/...", "?scale=2"] {
            assert_eq!(rest("s1", &format!("/s1{path}")), Ok(path));
        }
    }

    #[test]
    fn what_is_no_name_of_a_session_is_refused_before_anybody_is_asked() {
        for session in ["", ".", "..", "a/b", "a@evil:80", "a b", &"a".repeat(129)] {
            assert!(rest(session, "/x").is_err(), "{session}");
        }
    }

    #[test]
    fn pages_of_strangers_may_not_connect_and_programs_may() {
        let headers = |origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "desk.example:8090".parse().unwrap());
            headers.insert(ORIGIN, origin.parse().unwrap());
            headers
        };
        let named = ["https://app.example".to_owned()];
        for (origin, allowed, is_let_in) in [
            ("https://desk.example:8090", &[][..], true),
            ("https://evil.example", &[], false),
            ("null", &[], false),
            ("https://app.example", &named, true),
            ("https://desk.example:8090", &named, false),
            ("null", &["*".to_owned()], true),
        ] {
            let verdict = own_page(&headers(origin), allowed);
            assert_eq!(verdict.is_ok(), is_let_in, "{origin} {allowed:?}");
        }
        assert!(own_page(&HeaderMap::new(), &[]).is_ok());
    }

    #[test]
    fn the_proxy_in_front_is_believed_in_what_it_added_last() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", "1.1.1.1".parse().unwrap());
        headers.append("x-forwarded-for", "2.2.2.2, 3.3.3.3".parse().unwrap());
        let peer = SocketAddr::from(([9, 9, 9, 9], 1));
        assert_eq!(client_ip(&headers, peer), IpAddr::from([3, 3, 3, 3]));
        assert_eq!(client_ip(&HeaderMap::new(), peer), peer.ip());
    }
}

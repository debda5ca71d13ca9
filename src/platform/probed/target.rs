//! Where an object is probed.

use hyper::Uri;

use crate::config::ProbeTarget;
use crate::domain::platform_object::PlatformObject;
use crate::platform::kubernetes::name::Namespaces;

/// A host, by name or address, and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} port {}", self.host, self.port)
    }
}

/// Finds the address of each object.
#[derive(Debug)]
pub(super) struct Targets {
    target: ProbeTarget,
    namespaces: Namespaces,
}

impl Targets {
    pub(super) fn new(target: ProbeTarget, namespaces: Namespaces) -> Self {
        Self { target, namespaces }
    }

    /// `None` while it has no address: its URL is missing or names no port, or its id no place.
    pub(super) fn address(&self, object: &PlatformObject) -> Option<Address> {
        let (host, port) = match &self.target {
            ProbeTarget::Url => return of_url(object.url.as_deref()?),
            ProbeTarget::Template { host, port } => (host, *port),
        };
        let session = &object.session;
        let place = self.namespaces.place(session);
        let place = place.or_else(|| self.namespaces.labelled(session))?;
        let host = host
            .replace("{name}", place.name)
            .replace("{namespace}", place.namespace)
            .replace("{session}", session.as_str());
        Some(Address { host, port })
    }
}

fn of_url(url: &str) -> Option<Address> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let usual = match uri.scheme_str()? {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ => None,
    };
    Some(Address {
        host: host.to_owned(),
        port: uri.port_u16().or(usual).filter(|port| *port > 0)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::SessionId;
    use crate::domain::platform_object::Desired;

    fn object(session: &str, url: Option<&str>) -> PlatformObject {
        PlatformObject {
            session: SessionId::parse(session).unwrap(),
            uid: "u".to_owned(),
            version: "1".to_owned(),
            desired: Desired::Running,
            is_ready: true,
            is_probing: false,
            has_twins: false,
            annotation: None,
            idle_timeout: None,
            activity_at_ms: None,
            created_at_ms: 0,
            url: url.map(str::to_owned),
            phase: None,
        }
    }

    fn targets(target: &str, namespaces: &[&str]) -> Targets {
        let namespaces: Vec<String> = namespaces.iter().map(|name| (*name).to_owned()).collect();
        Targets::new(
            target.parse().unwrap(),
            Namespaces::new(&namespaces, "own").unwrap(),
        )
    }

    fn shown(targets: &Targets, object: &PlatformObject) -> Option<String> {
        targets.address(object).map(|address| address.to_string())
    }

    #[test]
    fn a_template_is_filled_in_from_the_id() {
        let template = "{name}.{namespace}.svc:3000";
        for (namespaces, session, wanted) in [
            (&["a", "b"][..], "b~x", "x.b.svc port 3000"),
            (&["a"], "x", "x.a.svc port 3000"),
            (&[], "Label_1", "Label_1.own.svc port 3000"),
        ] {
            let found = shown(&targets(template, namespaces), &object(session, None));
            assert_eq!(found.as_deref(), Some(wanted));
        }
        let whole = targets("{session}:1", &["a", "b"]);
        assert_eq!(shown(&whole, &object("b~x", None)).as_deref(), Some("b~x port 1"));
        assert_eq!(shown(&whole, &object("c~x", None)), None);
    }

    #[test]
    fn of_an_url_only_host_and_port_count() {
        let of = |url| shown(&targets("url", &[]), &object("x", url));
        for (url, wanted) in [
            ("http://x.example:8080/path?q=y", "x.example port 8080"),
            ("http://x.example", "x.example port 80"),
            ("wss://user:secret@x.example/", "x.example port 443"),
            ("vnc://[::1]:5900", "::1 port 5900"),
        ] {
            assert_eq!(of(Some(url)).as_deref(), Some(wanted));
        }
        for none in [
            None,
            Some(""),
            Some("x.example"),
            Some("vnc://x"),
            Some("http://"),
            Some("/path"),
        ] {
            assert_eq!(of(none), None, "{none:?}");
        }
    }
}

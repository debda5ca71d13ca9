//! Whether, and where, a session is probed before it counts as ready.

use std::str::FromStr;
use std::time::Duration;

use super::{InvalidConfig, duration};

/// Shorter would be a load of its own, on this process and on sessions that start.
const MIN_INTERVAL: Duration = Duration::from_millis(10);
/// What a template may hold in braces.
const PLACEHOLDERS: [&str; 3] = ["{name}", "{namespace}", "{session}"];

/// The probe of a session.
#[derive(Debug, Clone, clap::Args)]
pub struct ProbeConfig {
    /// Where a TCP connection must succeed before a session counts as ready: host:port with {name}, {namespace} or {session} in the host, or url for host and port of the object's URL; nothing is sent; unset: not probed
    #[arg(long, env = "TRACKER_KUBERNETES_PROBE")]
    pub kubernetes_probe: Option<ProbeTarget>,
    /// Longest time for one connection of the probe, finding the address included
    #[arg(long, env = "TRACKER_KUBERNETES_PROBE_TIMEOUT", default_value = "1s", value_parser = duration::parse)]
    pub kubernetes_probe_timeout: Duration,
    /// Time between two tries, jittered; after a minute 5s
    #[arg(long, env = "TRACKER_KUBERNETES_PROBE_INTERVAL", default_value = "500ms", value_parser = duration::parse)]
    pub kubernetes_probe_interval: Duration,
}

/// Where to connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeTarget {
    /// Host and port of the object's URL.
    Url,
    /// A host with placeholders, and a port.
    Template {
        /// With `{name}`, `{namespace}`, `{session}`.
        host: String,
        /// Never 0.
        port: u16,
    },
}

impl FromStr for ProbeTarget {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "url" {
            return Ok(Self::Url);
        }
        let wrong = |what: &str| {
            format!(
                "{what}; write url, or host:port such as {{name}}.{{namespace}}.svc:3000 (with {{name}}, {{namespace}} \
                 and {{session}})"
            )
        };
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| wrong("the port is missing"))?;
        let port = port.parse().ok().filter(|port| *port > 0);
        let port = port.ok_or_else(|| wrong("the port must be a number from 1 to 65535"))?;
        let rest = PLACEHOLDERS.iter().fold(host.to_owned(), |host, placeholder| {
            host.replace(placeholder, "x")
        });
        let is_address = rest
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .is_some_and(|rest| rest.parse::<std::net::Ipv6Addr>().is_ok());
        let is_name = !rest.is_empty()
            && rest
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
        if !is_address && !is_name {
            return Err(wrong("the host is none"));
        }
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self::Template { host, port })
    }
}

impl ProbeConfig {
    pub(super) fn validate(&self) -> Result<(), InvalidConfig> {
        if self.kubernetes_probe_timeout.is_zero() || self.kubernetes_probe_interval < MIN_INTERVAL {
            return Err(InvalidConfig(format!(
                "TRACKER_KUBERNETES_PROBE_TIMEOUT ({:?}) must be above 0s and TRACKER_KUBERNETES_PROBE_INTERVAL ({:?}) at \
                 least {MIN_INTERVAL:?}; 1s and 500ms suit most clusters",
                self.kubernetes_probe_timeout, self.kubernetes_probe_interval
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_template_with_a_port_or_the_url_of_the_object() {
        let template = |host: &str, port| {
            let host = host.to_owned();
            Ok(ProbeTarget::Template { host, port })
        };
        assert_eq!("url".parse(), Ok(ProbeTarget::Url));
        for (text, host, port) in [
            ("{name}.{namespace}.svc:3000", "{name}.{namespace}.svc", 3000),
            ("gate-{session}:1", "gate-{session}", 1),
            ("127.0.0.1:80", "127.0.0.1", 80),
            ("[::1]:80", "::1", 80),
        ] {
            assert_eq!(text.parse(), template(host, port), "{text}");
        }
    }

    #[test]
    fn a_target_that_cannot_be_one_is_refused_with_a_sentence() {
        for (text, wanted) in [
            ("", "port is missing"),
            ("{name}", "port is missing"),
            ("{name}:http", "from 1 to 65535"),
            ("{name}:0", "from 1 to 65535"),
            ("{name}:65536", "from 1 to 65535"),
            ("{pod}:80", "host is none"),
            ("{name:80", "host is none"),
            (":80", "host is none"),
            ("http://{name}:80", "host is none"),
            ("a b:80", "host is none"),
            ("::1:80", "host is none"),
        ] {
            let said = text.parse::<ProbeTarget>().unwrap_err();
            assert!(
                said.contains(wanted) && said.contains("{name}.{namespace}.svc:3000"),
                "{text}: {said}"
            );
        }
    }
}

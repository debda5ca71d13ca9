//! The HTTP clients of the API server: for calls, for watches, and for Events. None retries.

use std::sync::Arc;
use std::time::Duration;

use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig};
use tower::util::MapResponseLayer;

use super::ConnectError;
use super::patience::Patience;
use crate::config::KubernetesConfig;

/// Field manager of our patches and user agent of every request, so that audit logs name us.
pub(in crate::platform) const MANAGER: &str = "connection-tracker";
/// How long the API server keeps one watch open. A connection that died in silence is noticed a few
/// seconds after it; a shorter one costs requests, since each watch is then begun anew.
pub(in crate::platform) const WATCH_SECONDS: u32 = 60;
/// Above the watcher's own margin of 5 s, so that it and not the socket ends a silent watch.
const WATCH_READ_TIMEOUT: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 15);
/// Longest time to connect; a host that drops packets must not use up the whole time of a call.
const MAX_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The clients, and the namespace that goes without saying.
pub(in crate::platform) struct Clients {
    /// For calls; its reads end with the configured timeout.
    pub(in crate::platform) calls: kube::Client,
    /// For watches; its reads may last as long as a watch.
    pub(in crate::platform) watches: kube::Client,
    /// What their answers asked for.
    pub(in crate::platform) patience: Arc<Patience>,
    /// For Events, and what its own answers asked for: nobody else waits for that.
    pub(in crate::platform) events: (kube::Client, Arc<Patience>),
    /// Namespace of the kubeconfig's context or of the pod.
    pub(in crate::platform) default_namespace: String,
}

/// Makes the clients without asking the API server anything.
pub(in crate::platform) async fn make(config: &KubernetesConfig) -> Result<Clients, ConnectError> {
    // Fails only when a provider was installed before, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut base = settings(config).await?;
    // kube would send any request again, patches too, up to 15 times after 429, 503 and 504. A patch
    // whose outcome is unknown must go through reading and confirming instead.
    base.default_retry = false;
    base.connect_timeout = Some(config.kubernetes_timeout.min(MAX_CONNECT_TIMEOUT));
    base.write_timeout = Some(config.kubernetes_timeout);
    // Otherwise the time a pooled connection lay idle counts against the next answer.
    base.reset_reader_on_write = true;
    base.headers.push((
        "user-agent".parse().expect("a constant header name is valid"),
        concat!("connection-tracker/", env!("CARGO_PKG_VERSION"))
            .parse()
            .expect("a constant header value is valid"),
    ));
    let (patience, of_events) = (Arc::<Patience>::default(), Arc::<Patience>::default());
    let client = |read_timeout: Duration, patience: &Arc<Patience>| {
        let mut config = base.clone();
        config.read_timeout = Some(read_timeout);
        let builder =
            ClientBuilder::try_from(config).map_err(|error| ConnectError::Client(Box::new(error)))?;
        Ok(builder
            .with_layer(&MapResponseLayer::new(patience.note()))
            .build())
    };
    Ok(Clients {
        calls: client(config.kubernetes_timeout, &patience)?,
        watches: client(WATCH_READ_TIMEOUT, &patience)?,
        events: (client(config.kubernetes_timeout, &of_events)?, of_events),
        default_namespace: base.default_namespace.clone(),
        patience,
    })
}

/// Where the API server is and who we are: an URL, a named kubeconfig, or what the surroundings say.
async fn settings(config: &KubernetesConfig) -> Result<kube::Config, ConnectError> {
    if let Some(url) = &config.kubernetes_url {
        return plain(url);
    }
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| ConnectError::Settings(error);
    if let Some(path) = &config.kubernetes_kubeconfig {
        let kubeconfig = Kubeconfig::read_from(path).map_err(|error| failed(Box::new(error)))?;
        let options = KubeConfigOptions::default();
        return kube::Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|error| failed(Box::new(error)));
    }
    kube::Config::infer()
        .await
        .map_err(|error| failed(Box::new(error)))
}

fn plain(url: &str) -> Result<kube::Config, ConnectError> {
    let invalid = |detail: String| ConnectError::Url {
        url: url.to_owned(),
        detail,
    };
    let config = kube::Config::new(url.parse().map_err(|error| invalid(format!("{error}")))?);
    match (config.cluster_url.scheme_str(), config.cluster_url.host()) {
        (Some("http" | "https"), Some(_)) => Ok(config),
        _ => Err(invalid(
            "it must begin with http:// or https:// and name a host".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    const KUBECONFIG: &str = "
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u, namespace: desktops}}]
clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}]
users: [{name: u, user: {token: secret}}]
";

    fn config(url: Option<&str>, kubeconfig: Option<&std::path::Path>) -> KubernetesConfig {
        #[derive(clap::Parser)]
        struct CommandLine {
            #[command(flatten)]
            config: KubernetesConfig,
        }
        KubernetesConfig {
            kubernetes_url: url.map(str::to_owned),
            kubernetes_kubeconfig: kubeconfig.map(ToOwned::to_owned),
            ..<CommandLine as clap::Parser>::parse_from(["test"]).config
        }
    }

    #[tokio::test]
    async fn a_kubeconfig_is_enough_while_the_api_server_is_away() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(KUBECONFIG.as_bytes()).unwrap();
        let clients = make(&config(None, Some(file.path()))).await.unwrap();
        assert_eq!(clients.default_namespace, "desktops");
    }

    #[tokio::test]
    async fn a_kubeconfig_that_is_missing_is_told() {
        let path = std::path::Path::new("/does/not/exist");
        assert!(matches!(
            make(&config(None, Some(path))).await,
            Err(ConnectError::Settings(_))
        ));
    }

    #[tokio::test]
    async fn an_url_that_cannot_be_used_is_told() {
        for bad in ["", "localhost:8001", "ftp://host", "http://"] {
            assert!(
                matches!(
                    make(&config(Some(bad), None)).await,
                    Err(ConnectError::Url { .. })
                ),
                "{bad:?}"
            );
        }
        assert!(make(&config(Some("http://127.0.0.1:1"), None)).await.is_ok());
    }
}

//! One running simulator: listening, and stopping in order.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::{
    Options, api,
    app::App,
    connection::{Connection, CuttableListener},
    control,
};

/// How long requests may take to end at shutdown before their connections are cut.
const DRAIN: Duration = Duration::from_secs(2);

/// A simulator that listens; dropping it cuts everything, [`Simulator::shutdown`] lets requests end.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    url: String,
    stopping: CancellationToken,
    cut_all: CancellationToken,
    tasks: tokio_util::task::TaskTracker,
    server: JoinHandle<()>,
}

impl Simulator {
    /// Starts listening. Must be called within a tokio runtime, which also runs the simulator.
    ///
    /// # Errors
    /// The address cannot be bound.
    pub async fn start(options: Options) -> io::Result<Self> {
        let listener = TcpListener::bind(options.address).await?;
        let address = listener.local_addr()?;
        let cut_all = CancellationToken::new();
        let listener = CuttableListener::new(listener, cut_all.clone());
        let app = Arc::new(App::new(options));
        let (stopping, tasks) = (app.stopping.clone(), app.tasks.clone());
        let router = Router::new()
            .merge(api::discovery_routes(&app))
            .merge(control::routes())
            .fallback(api::handle)
            .with_state(app)
            .into_make_service_with_connect_info::<Connection>();
        let until = stopping.clone().cancelled_owned();
        let server = tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(until).await {
                tracing::error!(%error, "the server ended");
            }
        });
        Ok(Self {
            address,
            url: format!("http://{address}"),
            stopping,
            cut_all,
            tasks,
            server,
        })
    }

    /// The base URL, without a slash at its end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends watches and held requests, lets the others end for two seconds, then cuts what is left.
    pub async fn shutdown(mut self) {
        self.stopping.cancel();
        if tokio::time::timeout(DRAIN, &mut self.server).await.is_err() {
            self.cut_all.cancel();
        }
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stopping.cancel();
        self.cut_all.cancel();
    }
}

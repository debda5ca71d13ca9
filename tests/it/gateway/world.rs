//! A gateway with its users and their sessions: an echo server stands for every session.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::ws::{CloseFrame, Message as EchoMessage, WebSocket, WebSocketUpgrade};
use axum::extract::{OriginalUri, State};
use axum::routing::any;
use connection_tracker_client::Tracker;
use connection_tracker_gateway::{Gateway, Settings};
use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::support::{SOON, TestCluster, Timings};

/// After how long without a word a user is gone, where that is what a test is about.
pub(super) const SILENCE: Duration = Duration::from_secs(3);
/// Elsewhere: users of a test may stand still while it looks at something else.
pub(super) const LONG_SILENCE: Duration = Duration::from_secs(60);

/// Answers every text with itself, the first one after the path it was asked by.
pub(super) struct Echo {
    url: String,
    sockets: Arc<AtomicUsize>,
    _server: AbortOnDropHandle<()>,
}

impl Echo {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/{{session}}", listener.local_addr().unwrap());
        let sockets = Arc::<AtomicUsize>::default();
        let router = Router::new()
            .fallback(any(accept))
            .with_state(Arc::clone(&sockets));
        let server = TaskTracker::new().spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            url,
            sockets,
            _server: AbortOnDropHandle::new(server),
        }
    }

    /// Sockets that reached a session so far.
    pub(super) fn sockets(&self) -> usize {
        self.sockets.load(Ordering::Relaxed)
    }
}

async fn accept(
    State(sockets): State<Arc<AtomicUsize>>,
    OriginalUri(uri): OriginalUri,
    upgrade: WebSocketUpgrade,
) -> axum::response::Response {
    sockets.fetch_add(1, Ordering::Relaxed);
    let manner = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    // The others speak no protocol by name.
    let upgrade = if manner == "vnc" {
        upgrade.protocols(["binary"])
    } else {
        upgrade
    };
    upgrade.on_upgrade(async move |mut socket: WebSocket| {
        let _ = behave(&manner, &mut socket, &uri.to_string()).await;
    })
}

/// What a session does is named by the last part of the path.
async fn behave(manner: &str, socket: &mut WebSocket, first: &str) -> Result<(), axum::Error> {
    socket.send(EchoMessage::text(first)).await?;
    match manner {
        // Shows a film, whoever looks.
        "film" => loop {
            socket.send(EchoMessage::Binary(vec![0; 16 << 10].into())).await?;
            tokio::time::sleep(Duration::from_millis(1)).await;
        },
        // Takes nothing for a while.
        "busy" => tokio::time::sleep(2 * SILENCE).await,
        "rude" => {
            let frame = CloseFrame {
                code: 4001,
                reason: "enough".into(),
            };
            return socket.send(EchoMessage::Close(Some(frame))).await;
        }
        _ => {}
    }
    while let Some(message) = socket.recv().await {
        let message = message?;
        if matches!(message, EchoMessage::Text(_)) {
            socket.send(message).await?;
        }
    }
    Ok(())
}

/// A gateway before the echo, asking the service at this address.
pub(super) async fn gateway(tracker_url: &str, echo: &Echo) -> Gateway {
    gateway_after(LONG_SILENCE, tracker_url, echo).await
}

/// The same, for which users are gone after so long without a word.
pub(super) async fn gateway_after(silence: Duration, tracker_url: &str, echo: &Echo) -> Gateway {
    let tracker = Tracker::builder(tracker_url).gateway("gw-test").build().unwrap();
    let settings = Settings {
        backend: Some(echo.url.clone()),
        user_header: "x-user".to_owned(),
        patience: SOON,
        silence,
        origins: Vec::new(),
    };
    Gateway::start("127.0.0.1:0".parse().unwrap(), tracker, settings)
        .await
        .unwrap()
}

/// An armed installation with the session `s1`, its echo, and a gateway before it.
pub(super) async fn one_session(timings: Timings, silence: Duration) -> (TestCluster, Echo, Gateway) {
    let cluster = TestCluster::builder()
        .timings(timings)
        .start()
        .await
        .armed()
        .await;
    cluster.platform.create("s1").await;
    let echo = Echo::start().await;
    let gateway = gateway_after(silence, cluster.api().base(), &echo).await;
    (cluster, echo, gateway)
}

/// A user's socket.
pub(super) struct User {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    said: u64,
}

impl User {
    /// Status of a request that is not let in.
    pub(super) async fn refused(gateway: &Gateway, session: &str, path: &str) -> u16 {
        let url = format!("ws://{}/{session}/{path}", gateway.address());
        let mut request = url.into_client_request().unwrap();
        request.headers_mut().insert("x-user", "ann".parse().unwrap());
        match tokio_tungstenite::connect_async(request).await {
            Err(tokio_tungstenite::tungstenite::Error::Http(answer)) => answer.status().as_u16(),
            other => panic!("{other:?}"),
        }
    }

    /// Comes in by the gateway; what becomes of it the messages say. `path` may have a query.
    pub(super) async fn arrive(gateway: &Gateway, session: &str, path: &str) -> Self {
        let url = format!("ws://{}/{session}/{path}", gateway.address());
        let mut request = url.into_client_request().unwrap();
        let headers = request.headers_mut();
        headers.insert("x-user", "ann".parse().unwrap());
        headers.insert("sec-websocket-protocol", "binary, base64".parse().unwrap());
        let (socket, answer) = tokio_tungstenite::connect_async(request).await.unwrap();
        assert_eq!(answer.headers()["sec-websocket-protocol"], "binary");
        Self { socket, said: 0 }
    }

    /// Comes in, and stands before the session.
    pub(super) async fn enter(gateway: &Gateway, session: &str) -> Self {
        let mut user = Self::arrive(gateway, session, "vnc?scale=2").await;
        assert_eq!(user.hear().await, Ok(format!("/{session}/vnc?scale=2")));
        user
    }

    /// The next message; the close code where the socket was closed instead.
    pub(super) async fn hear(&mut self) -> Result<String, u16> {
        loop {
            let message = tokio::time::timeout(SOON, self.socket.next()).await;
            match message.expect("a message or a close comes soon") {
                Some(Ok(Message::Text(text))) => return Ok(text.as_str().to_owned()),
                Some(Ok(Message::Close(frame))) => return Err(frame.map_or(1005, |frame| frame.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// Says something and hears it again.
    pub(super) async fn talk(&mut self) -> Result<(), u16> {
        self.said += 1;
        let word = format!("word {}", self.said);
        self.socket
            .send(Message::text(word.as_str()))
            .await
            .map_err(|_| 1006_u16)?;
        assert_eq!(self.hear().await?, word);
        Ok(())
    }

    /// Talks now and then until the end of `until`; the close code where the socket was closed before.
    pub(super) async fn talk_until(&mut self, until: impl Future<Output = ()>) -> Result<(), u16> {
        let mut pauses = tokio::time::interval(Duration::from_millis(100));
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => return self.talk().await,
                _ = pauses.tick() => {}
            }
            self.talk().await?;
        }
    }

    /// Says something and waits for no answer.
    pub(super) async fn say(&mut self, message: Message) -> Result<(), u16> {
        self.socket.send(message).await.map_err(|_| 1006)
    }

    /// Leaves as a closed tab does.
    pub(super) async fn leave(mut self) {
        let _ = self.socket.close(None).await;
    }
}

//! A session of each kind against an API server: how it is made, asked for by hand, and looked at.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::api_server::ApiServer;
use crate::support::cluster::Builder;
use crate::support::front::{Asks, Write};
use crate::support::platform::Platform;
use crate::support::{SOON, TestCluster, eventually, user};

/// Longer than any idle timeout here.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// A real cluster may have to fetch the image first.
const LONG: Duration = Duration::from_secs(120);

/// What the sessions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Session objects.
    Session,
    /// Deployments, patched.
    Deployment,
    /// StatefulSets, patched.
    StatefulSet,
    /// Deployments, of which only `/scale` is written.
    Subresource,
}

impl Kind {
    /// The rights that the examples say are enough.
    pub(super) fn role(self) -> &'static str {
        match self {
            Self::Session => include_str!("../../../examples/kubernetes/role-custom-resource.yaml"),
            Self::Deployment | Self::StatefulSet => {
                include_str!("../../../examples/kubernetes/role-scale.yaml")
            }
            Self::Subresource => include_str!("../../../examples/kubernetes/role-scale-subresource.yaml"),
        }
    }
}

/// An installation and the API server it acts on, with the rights that are documented.
pub(super) struct Stage {
    pub(super) cluster: TestCluster,
    pub(super) server: ApiServer,
    pub(super) kind: Kind,
}

impl Stage {
    /// One replica, armed, its hold over.
    pub(super) async fn start(kind: Kind) -> Self {
        Self::with(kind, |builder| builder).await
    }

    /// The same, with other settings; without a replica nothing is armed.
    pub(super) async fn with(kind: Kind, change: impl FnOnce(Builder) -> Builder) -> Self {
        let simulator = Platform::start(Platform::quick()).await;
        let server = ApiServer::start(&simulator, kind.role()).await;
        let builder = TestCluster::builder()
            .on(simulator)
            .kubernetes_url(server.front.url())
            .set("kubernetes-namespaces", &server.namespace);
        let builder = match kind {
            Kind::Session => builder.set("kubernetes-activity-path", "status.lastActivity"),
            Kind::Deployment | Kind::StatefulSet => builder.set("kubernetes-platform", "scale"),
            Kind::Subresource => builder
                .set("kubernetes-platform", "scale")
                .set("scale-subresource", "true"),
        };
        let mut cluster = change(builder).start().await;
        if !cluster.replicas.is_empty() {
            cluster = cluster.armed().await;
        }
        Self {
            cluster,
            server,
            kind,
        }
    }

    fn objects(&self) -> String {
        let namespace = &self.server.namespace;
        match self.kind {
            Kind::Session => format!("/apis/stream.space/v1alpha1/namespaces/{namespace}/sessions"),
            Kind::Deployment | Kind::Subresource => {
                format!("/apis/apps/v1/namespaces/{namespace}/deployments")
            }
            Kind::StatefulSet => format!("/apis/apps/v1/namespaces/{namespace}/statefulsets"),
        }
    }

    /// The name of a workload is not its session's: the label counts.
    pub(super) fn name(&self, session: &str) -> String {
        match self.kind {
            Kind::Session => session.to_owned(),
            _ => format!("workload-{session}"),
        }
    }

    pub(super) fn path(&self, session: &str) -> String {
        format!("{}/{}", self.objects(), self.name(session))
    }

    /// Makes the object of a session that runs.
    pub(super) async fn create(&self, session: &str) {
        let object = self.object(session, &json!({}));
        self.server.done("POST", &self.objects(), &object).await;
        self.play_controller(session, "Running").await;
    }

    pub(super) fn object(&self, session: &str, labels: &Value) -> Value {
        let name = self.name(session);
        let mut metadata = json!({"name": name, "labels": labels});
        if self.kind == Kind::Session {
            return json!({
                "apiVersion": "stream.space/v1alpha1", "kind": "Session", "metadata": metadata,
                "spec": {"user": "ann", "template": "firefox", "state": "running"},
            });
        }
        metadata["labels"]["connection-tracker.dev/session"] = json!(session);
        let pod = json!({
            "metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "pause", "image": "registry.k8s.io/pause:3.10"}]},
        });
        let mut object = json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": pod},
        });
        if self.kind == Kind::StatefulSet {
            object["kind"] = json!("StatefulSet");
            object["spec"]["serviceName"] = json!(name);
        }
        object
    }

    /// A real cluster has no controller of Session objects here: the test writes what one would.
    async fn play_controller(&self, session: &str, phase: &str) {
        if self.kind == Kind::Session && self.server.is_real() {
            let path = format!("{}/status", self.path(session));
            self.server
                .done("PATCH", &path, &json!({"status": {"phase": phase}}))
                .await;
        }
    }

    /// Makes a session whose wake was accepted once, so that it is fenced, and whose connection is closed.
    pub(super) async fn running(&self, session: &str) {
        self.create(session).await;
        self.open(session, "first").await;
        self.wait_for(session, "running").await;
        self.cluster.api().close(session, "first").await.expect(204);
    }

    pub(super) async fn open(&self, session: &str, connection: &str) {
        self.cluster
            .api()
            .open(session, connection, &user("ann"))
            .await
            .expect(201);
    }

    /// Its idle timeout passes.
    pub(super) async fn idle(&self, session: &str) {
        self.cluster.state().age(session, DAY).await;
        self.cluster.state().look_now(session).await;
    }

    /// Makes a session that we put to sleep.
    pub(super) async fn asleep(&self, session: &str) {
        self.running(session).await;
        self.idle(session).await;
        self.wait_for(session, "hibernated").await;
        assert!(!self.is_asked_to_run(session).await);
        self.play_controller(session, "Hibernated").await;
    }

    /// Waits for a state; where a wake needs a controller, plays it.
    pub(super) async fn wait_for(&self, session: &str, state: &str) {
        if state == "running" && self.kind == Kind::Session && self.server.is_real() {
            eventually(SOON, "the object is asked to run", async || {
                self.is_asked_to_run(session).await
            })
            .await;
            self.play_controller(session, "Running").await;
        }
        let limit = if self.server.is_real() { LONG } else { SOON };
        let what = format!("{session} becomes {state}");
        eventually(limit, &what, async || {
            let found = self.cluster.api().state(session).await;
            if found == state { Ok(()) } else { Err(found) }
        })
        .await;
    }

    pub(super) async fn read(&self, session: &str) -> Value {
        self.server.done("GET", &self.path(session), &Value::Null).await
    }

    /// Reasons of the Events about its object, in the order in which they were made.
    pub(super) async fn told(&self, session: &str) -> Vec<String> {
        let path = format!(
            "/apis/events.k8s.io/v1/namespaces/{}/events",
            self.server.namespace
        );
        let list = self.server.done("GET", &path, &Value::Null).await;
        let mut events = list["items"].as_array().unwrap().clone();
        let name = self.name(session);
        events.retain(|event| {
            event["regarding"]["name"] == name && event["reportingController"] == "connection-tracker"
        });
        events.sort_by_key(|event| event["eventTime"].as_str().unwrap().to_owned());
        let reasons = events.iter().map(|event| event["reason"].as_str().unwrap());
        reasons.map(str::to_owned).collect()
    }

    /// What the object's specification asks for.
    pub(super) async fn is_asked_to_run(&self, session: &str) -> bool {
        let object = self.read(session).await;
        match self.kind {
            Kind::Session => object["spec"]["state"] == "running",
            _ => object["spec"]["replicas"] != 0,
        }
    }

    /// A hand changes the object.
    pub(super) async fn by_hand(&self, session: &str, asks: Asks) {
        let runs = asks == Asks::Running;
        let change = match self.kind {
            Kind::Session => json!({"spec": {"state": if runs { "running" } else { "hibernated" }}}),
            _ => json!({"spec": {"replicas": i32::from(runs)}}),
        };
        self.server.done("PATCH", &self.path(session), &change).await;
        if runs {
            self.play_controller(session, "Running").await;
        }
    }

    /// Our writes that ask for this, in the order in which they came.
    pub(super) fn writes(&self, session: &str, asks: Asks) -> Vec<Write> {
        self.server.front.writes(&self.name(session), asks)
    }

    /// How the API server answered them; `None` for one on its way.
    pub(super) fn statuses(&self, session: &str, asks: Asks) -> Vec<Option<u16>> {
        self.writes(session, asks)
            .into_iter()
            .map(|write| write.status)
            .collect()
    }

    /// Holds our patches before they reach the API server.
    pub(super) fn hold(&self, session: &str, asks: Asks, time: Duration, times: usize) {
        self.server.front.hold(&self.name(session), asks, time, times);
    }
}

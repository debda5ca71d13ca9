//! The API server of a test: the simulator, or the cluster that `TRACKER_TEST_KUBECONFIG` names. In a cluster the
//! test makes a namespace and the definition, plays the controller of the Session objects, and cleans up.

use std::path::{Path, PathBuf};

use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use super::front::Front;
use super::platform::Platform;
use super::{SOON, eventually};

/// The definition the examples give.
const DEFINITION: &str = include_str!("../../../examples/kubernetes/session-definition.yaml");

/// Who may do everything in the simulator.
const ADMIN: &str = "admin";
/// The account of the service.
const ACCOUNT: &str = "connection-tracker";

/// Where a test's objects are, and who may do everything with them.
pub(crate) struct ApiServer {
    pub(crate) namespace: String,
    /// The way of the service, with the rights it is documented to need and no others.
    pub(crate) front: Front,
    admin: kube::Client,
    /// Of a real cluster.
    kubeconfig: Option<PathBuf>,
}

/// The kubeconfig of a real cluster, where one is given.
pub(crate) fn kubeconfig() -> Option<PathBuf> {
    std::env::var_os("TRACKER_TEST_KUBECONFIG").map(PathBuf::from)
}

impl ApiServer {
    /// The cluster that is named, else `simulator`; the service has the rights of `role`, a file of the examples.
    pub(crate) async fn start(simulator: &Platform, role: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let path = kubeconfig();
        let (mut config, namespace) = match &path {
            Some(path) => (
                config(path).await,
                format!("tracker-test-{}", uuid::Uuid::new_v4().simple()),
            ),
            None => (
                kube::Config::new(simulator.url().parse().unwrap()),
                "default".to_owned(),
            ),
        };
        config.default_retry = false;
        if path.is_none() {
            config.auth_info.token = Some(ADMIN.to_owned().into());
        }
        let admin = kube::Client::try_from(config.clone()).unwrap();
        let mut server = Self {
            front: Front::start(admin.clone()).await,
            namespace,
            admin,
            kubeconfig: path,
        };
        let documents: Vec<Value> = serde_saphyr::from_multiple(role).unwrap();
        config.auth_info = kube::config::AuthInfo {
            token: Some(server.account(simulator, &documents).await.into()),
            ..kube::config::AuthInfo::default()
        };
        server.front = Front::start(kube::Client::try_from(config).unwrap()).await;
        server
    }

    pub(crate) fn is_real(&self) -> bool {
        self.kubeconfig.is_some()
    }

    /// Makes the account of the service with these rights; gives its token.
    async fn account(&self, simulator: &Platform, role: &[Value]) -> String {
        if !self.is_real() {
            simulator.enforce_rights(ADMIN, ACCOUNT, &role[0]["rules"]).await;
            return ACCOUNT.to_owned();
        }
        self.prepare().await;
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT}});
        let accounts = format!("/api/v1/namespaces/{}/serviceaccounts", self.namespace);
        self.made(&accounts, &account).await;
        for document in role {
            let mut document = document.clone();
            let mut plural = "roles";
            if document["kind"] == "RoleBinding" {
                document["subjects"][0]["namespace"] = json!(self.namespace);
                plural = "rolebindings";
            }
            let path = format!(
                "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/{plural}",
                self.namespace
            );
            self.made(&path, &document).await;
        }
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = self
            .done("POST", &format!("{accounts}/{ACCOUNT}/token"), &request)
            .await;
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    /// Makes the namespace and, unless it is there, the definition.
    async fn prepare(&self) {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}});
        self.made("/api/v1/namespaces", &namespace).await;
        let definition: Value = serde_saphyr::from_str(DEFINITION).unwrap();
        self.made(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &definition,
        )
        .await;
        let sessions = format!(
            "/apis/stream.space/v1alpha1/namespaces/{}/sessions",
            self.namespace
        );
        eventually(SOON, "the definition is served", async || {
            self.ask("GET", &sessions, &Value::Null).await.0 == 200
        })
        .await;
    }

    /// Makes an object, or finds it made.
    pub(crate) async fn made(&self, path: &str, object: &Value) {
        let (status, answer) = self.ask("POST", path, object).await;
        assert!(matches!(status, 200..=201 | 409), "{path}: {status}: {answer}");
    }

    /// One request as somebody who may do everything; a PATCH is a merge patch.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = axum::http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(kube::client::Body::from(bytes))
            .unwrap();
        let answer = self.admin.send(request).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = answer.into_body().collect_bytes().await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// The same; panics unless it succeeds.
    pub(crate) async fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status}: {answer}"
        );
        answer
    }
}

impl Drop for ApiServer {
    /// Takes away what was made; the definition stays, since other tests run beside this one. In a thread and a
    /// runtime of its own, since the test's may be ending.
    fn drop(&mut self) {
        let Some(path) = self.kubeconfig.take() else {
            return;
        };
        let namespace = std::mem::take(&mut self.namespace);
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let client = kube::Client::try_from(config(&path).await).unwrap();
                let request = axum::http::Request::delete(format!("/api/v1/namespaces/{namespace}"))
                    .body(kube::client::Body::empty())
                    .unwrap();
                client.send(request).await.map(drop)
            })
        });
        let _ = cleaned.join();
    }
}

async fn config(kubeconfig: &Path) -> kube::Config {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("TRACKER_TEST_KUBECONFIG names a kubeconfig");
    kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("its cluster can be used")
}

//! Rules of access, enforced: who may do what, and in which words the others are refused.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Lab, SESSIONS, session, workload};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/lab/deployments";
const USER: &str = "system:serviceaccount:lab:tracker";

/// A server with one session and one Deployment, that from now on enforces the rules of token `t`.
async fn enforced(rules: Value, namespaces: Value) -> Lab {
    let lab = Lab::still().await;
    lab.create("one", "hibernated").await;
    lab.post(DEPLOYMENTS, workload("one", Some(0))).await;
    let token = json!({ "token": "t", "username": USER });
    assert_eq!(lab.post("/simulator/tokens", token).await.0, 201);
    let role = json!({ "token": "t", "rules": rules, "namespaces": namespaces });
    assert_eq!(lab.post("/simulator/roles", role).await.0, 201);
    let wanted = json!({ "enforce": true, "admin_token": "root" });
    let (code, is) = lab
        .send(Method::PUT, "/simulator/rbac", "application/json", wanted.clone())
        .await;
    assert_eq!((code, is), (200, wanted));
    lab
}

async fn get(lab: &Lab, path: &str) -> (u16, Value) {
    lab.send_as("t", Method::GET, path, Value::Null).await
}

#[tokio::test]
async fn nothing_is_asked_for_until_it_is_enforced() {
    let lab = Lab::still().await;
    assert_eq!(lab.get(SESSIONS).await.0, 200);
    assert_eq!(
        lab.get("/simulator/rbac").await.1,
        json!({ "enforce": false, "admin_token": null })
    );
}

#[tokio::test]
async fn rule_allows_its_verbs_on_its_resources_and_nothing_else() {
    let rules = json!([
        { "apiGroups": ["stream.space"], "resources": ["sessions"], "verbs": ["get", "list", "watch"] },
        { "apiGroups": ["apps"], "resources": ["deployments/scale"], "verbs": ["get", "patch"] },
    ]);
    let lab = enforced(rules, Value::Null).await;
    let one = format!("{SESSIONS}/one");
    assert_eq!(get(&lab, &one).await.0, 200);
    assert_eq!(get(&lab, "/apis/stream.space/v1alpha1/sessions").await.0, 200);
    assert_eq!(get(&lab, &format!("{DEPLOYMENTS}/one/scale")).await.0, 200);
    let (code, status) = lab.send_as("t", Method::PATCH, &one, json!({})).await;
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
    assert_eq!(
        status["message"],
        format!(
            "sessions.stream.space \"one\" is forbidden: User \"{USER}\" cannot patch resource \"sessions\" in API \
             group \"stream.space\" in the namespace \"lab\""
        )
    );
    assert_eq!(
        status["details"],
        json!({ "name": "one", "group": "stream.space", "kind": "sessions" })
    );
    assert_eq!(get(&lab, &format!("{DEPLOYMENTS}/one")).await.0, 403);
    let (_, status) = get(&lab, &format!("{one}/status")).await;
    let message = status["message"].as_str().unwrap();
    assert!(
        message.contains("cannot get resource \"sessions/status\""),
        "{message}"
    );
    let (_, status) = get(&lab, "/apis/apps/v1/deployments").await;
    assert_eq!(
        status["message"],
        format!(
            "deployments.apps is forbidden: User \"{USER}\" cannot list resource \"deployments\" in API group \"apps\" \
             at the cluster scope"
        )
    );
    let (_, log) = lab.get("/simulator/log?resource=sessions&name=one").await;
    assert_eq!(
        (&log[1]["status"], &log[1]["user"], &log[1]["has_token"]),
        (&json!(403), &json!(USER), &json!(true))
    );
}

#[tokio::test]
async fn role_holds_only_in_its_namespaces() {
    let rules = json!([{ "apiGroups": ["*"], "resources": ["*"], "verbs": ["*"] }]);
    let lab = enforced(rules, json!(["lab"])).await;
    assert_eq!(get(&lab, SESSIONS).await.0, 200);
    assert_eq!(
        get(&lab, "/apis/stream.space/v1alpha1/namespaces/other/sessions")
            .await
            .0,
        403
    );
    assert_eq!(get(&lab, "/apis/stream.space/v1alpha1/sessions").await.0, 403);
}

#[tokio::test]
async fn names_of_a_rule_never_allow_creating_but_do_allow_watching_one() {
    let rules = json!([{
        "apiGroups": ["stream.space"], "resources": ["sessions"], "resourceNames": ["one"],
        "verbs": ["get", "list", "create"],
    }]);
    let lab = enforced(rules, Value::Null).await;
    lab.send_as("root", Method::POST, SESSIONS, session("two", "hibernated"))
        .await;
    assert_eq!(get(&lab, &format!("{SESSIONS}/one")).await.0, 200);
    assert_eq!(get(&lab, &format!("{SESSIONS}/two")).await.0, 403);
    assert_eq!(get(&lab, SESSIONS).await.0, 403);
    let selected = format!("{SESSIONS}?fieldSelector=metadata.name%3Done");
    assert_eq!(get(&lab, &selected).await.0, 200);
    let made = lab
        .send_as("t", Method::POST, SESSIONS, session("one", "running"))
        .await;
    assert_eq!(made.0, 403);
}

#[tokio::test]
async fn without_a_token_nobody_and_with_an_unknown_one_not_even_that() {
    let lab = enforced(json!([]), Value::Null).await;
    let (code, status) = lab.get(&format!("{SESSIONS}/one")).await;
    let message = status["message"].as_str().unwrap();
    assert_eq!(code, 403);
    assert!(
        message.contains("User \"system:anonymous\" cannot get"),
        "{message}"
    );
    let (code, status) = lab.send_as("x", Method::GET, SESSIONS, Value::Null).await;
    assert_eq!((code, &status["reason"]), (401, &json!("Unauthorized")));
    // A token for somebody else's audience is none for the API server.
    let token = json!({ "token": "t", "username": USER, "audiences": ["tracker"] });
    lab.post("/simulator/tokens", token).await;
    assert_eq!(get(&lab, SESSIONS).await.0, 401);
    let (code, status) = lab.get("/apis").await;
    assert_eq!(
        (code, &status["message"]),
        (
            403,
            &json!("forbidden: User \"system:anonymous\" cannot get path \"/apis\"")
        )
    );
    assert_eq!(lab.get("/version").await.0, 200);
    assert_eq!(
        lab.send_as("root", Method::GET, "/apis", Value::Null).await.0,
        200
    );
}

#[tokio::test]
async fn admin_may_everything_and_roles_can_be_taken_back() {
    let rules = json!([{ "apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"] },
        { "apiGroups": ["stream.space"], "resources": ["sessions"], "verbs": ["*"] }]);
    let lab = enforced(rules, Value::Null).await;
    let made = lab
        .send_as("root", Method::POST, SESSIONS, session("two", "hibernated"))
        .await;
    assert_eq!(made.0, 201);
    assert_eq!(get(&lab, SESSIONS).await.0, 200);
    let path = "/simulator/roles?token=t";
    lab.send(Method::DELETE, path, "application/json", Value::Null)
        .await;
    assert_eq!(get(&lab, SESSIONS).await.0, 403);
    let bad = json!({ "token": "t", "rules": [{ "apiGroup": "x" }] });
    assert_eq!(lab.post("/simulator/roles", bad).await.0, 400);
}

//! TokenReviews (`authentication.k8s.io/v1`): whose token is this, asked of the API server.

use serde_json::{Value, json};

use super::{API_AUDIENCE, Access, Token, quoted};
use crate::{kind::Kind, status::Failure};

/// The answer to a TokenReview. Fields the real server leaves out when they say no or nothing
/// (`authenticated: false`, empty lists) are left out.
///
/// # Errors
/// 400 for a review without a token, or of a strange shape.
pub(crate) fn review(access: &Access, kind: &Kind, body: &Value) -> Result<Value, Failure> {
    let spec = &body["spec"];
    let token = match &spec["token"] {
        Value::String(token) if !token.is_empty() => token,
        Value::Null | Value::String(_) => {
            return Err(Failure::bad_request(
                "token is required for TokenReview in authentication",
            ));
        }
        _ => {
            return Err(Failure::bad_request(
                "cannot unmarshal spec.token: it must be a string",
            ));
        }
    };
    let asked = match &spec["audiences"] {
        Value::Null => Vec::new(),
        Value::Array(asked) if asked.iter().all(Value::is_string) => asked.clone(),
        _ => {
            let message = "cannot unmarshal spec.audiences: it must be a list of strings";
            return Err(Failure::bad_request(message));
        }
    };
    let status = match judge(access.token(token).as_ref(), &asked) {
        Ok(status) => status,
        Err(why) => json!({ "user": {}, "error": format!("[invalid bearer token, {why}]") }),
    };
    Ok(json!({
        "kind": kind.name, "apiVersion": kind.api_version(), "metadata": { "creationTimestamp": null },
        "spec": spec, "status": status,
    }))
}

fn judge(token: Option<&Token>, asked: &[Value]) -> Result<Value, String> {
    let token = token.ok_or_else(|| "token lookup failed".to_owned())?;
    let own = [json!(API_AUDIENCE)];
    let asked = if asked.is_empty() { own.as_slice() } else { asked };
    let shared: Vec<&str> = asked
        .iter()
        .filter_map(Value::as_str)
        .filter(|audience| token.is_for(audience))
        .collect();
    if shared.is_empty() {
        let audiences: Vec<Value> = token.audiences().iter().map(|audience| json!(audience)).collect();
        return Err(format!(
            "token audiences {} is invalid for the target audiences {}",
            quoted(&audiences),
            quoted(asked)
        ));
    }
    let mut user = json!({ "username": token.username });
    if !token.uid.is_empty() {
        user["uid"] = json!(token.uid);
    }
    if !token.groups.is_empty() {
        user["groups"] = json!(token.groups);
    }
    if !token.extra.is_empty() {
        user["extra"] = json!(token.extra);
    }
    Ok(json!({ "authenticated": true, "user": user, "audiences": shared }))
}

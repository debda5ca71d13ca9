//! The operations of the OpenAPI document, each with a call that could succeed, made from what the document says.

use std::fmt::Write as _;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::support::{Answer, Api};

/// Bodies where the smallest that fits the schema is not enough.
const BODIES: [(&str, &str); 1] = [(
    "PUT /v1/sessions/{session}/keep-awake",
    r#"{"for": "1h", "reason": "test"}"#,
)];

/// One operation.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// The template.
    pub(crate) path: String,
    /// Role words, and `session`, `filtered` or `installation`; nothing where the table has no line.
    pub(crate) roles: Vec<String>,
    pub(crate) scope: Option<String>,
    has_security: bool,
    query: Vec<(String, String)>,
    body: Option<Value>,
}

impl Operation {
    /// Every operation of the document.
    pub(crate) fn all(document: &Value) -> Vec<Self> {
        let paths = document["paths"].as_object().unwrap();
        let mut all = Vec::new();
        for (path, item) in paths {
            for (method, operation) in item.as_object().unwrap() {
                let method: Method = method.to_uppercase().parse().unwrap();
                all.push(Self::read(document, path, method, operation));
            }
        }
        all
    }

    fn read(document: &Value, path: &str, method: Method, operation: &Value) -> Self {
        let access = &operation["x-access"];
        let roles = access["roles"].as_array().cloned().unwrap_or_default();
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let query = parameters
            .iter()
            .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
            .map(|parameter| {
                let value = sample(document, &parameter["schema"]);
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                (parameter["name"].as_str().unwrap().to_owned(), text)
            });
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        let name = format!("{method} {path}");
        let known = BODIES.iter().find(|(operation, _)| *operation == name);
        let body = match known {
            Some((_, body)) => Some(serde_json::from_str(body).unwrap()),
            None if schema.is_null() => None,
            None => Some(sample(document, schema)),
        };
        Self {
            roles: roles
                .iter()
                .map(|role| role.as_str().unwrap().to_owned())
                .collect(),
            scope: access["scope"].as_str().map(str::to_owned),
            has_security: operation["security"][0]["bearer"].is_array(),
            path: path.to_owned(),
            query: query.collect(),
            method,
            body,
        }
    }

    /// For messages.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether the document says who may call it.
    pub(crate) fn is_described(&self) -> bool {
        !self.roles.is_empty() && self.scope.is_some() && self.has_security
    }

    /// Whether it names a session or a connection in its path.
    pub(crate) fn names_something(&self) -> bool {
        self.path.contains('{')
    }

    /// Calls it about this session and connection.
    pub(crate) async fn call(&self, api: &Api, session: &str, connection: &str) -> Answer {
        let mut path = self
            .path
            .replace("{session}", session)
            .replace("{connection}", connection)
            .replace("{id}", connection);
        assert!(
            !path.contains('{'),
            "a parameter this test cannot fill: {}",
            self.path
        );
        for (index, (name, value)) in self.query.iter().enumerate() {
            let before = if index == 0 { '?' } else { '&' };
            write!(path, "{before}{name}={value}").unwrap();
        }
        api.call(self.method.clone(), &path, self.body.as_ref()).await
    }
}

/// The smallest value of a schema.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let found = document.pointer(reference.trim_start_matches('#')).unwrap();
        return sample(document, found);
    }
    for several in ["oneOf", "anyOf", "allOf"] {
        if let Some(first) = schema[several].as_array().and_then(|list| list.first()) {
            return sample(document, first);
        }
    }
    if let Some(first) = schema["enum"].as_array().and_then(|list| list.first()) {
        return first.clone();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].clone(),
        kind => kind.clone(),
    };
    match kind.as_str() {
        Some("integer" | "number") => schema["minimum"].as_i64().unwrap_or(1).into(),
        Some("boolean") => Value::Bool(true),
        Some("array") => json!([]),
        Some("string") => json!("ann"),
        _ => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let fields = required.iter().map(|name| {
                let name = name.as_str().unwrap();
                (name.to_owned(), sample(document, &schema["properties"][name]))
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
    }
}

//! What is the same in every operation of the document, written in one place: the form of problems, what ids look
//! like, what can be left out.

use utoipa::openapi::path::{Operation, Parameter, ParameterIn};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::response::Response;
use utoipa::openapi::{OpenApi as Document, RefOr, Required, Schema};

use crate::domain::MAX_ID_BYTES;

/// What the extractors take for an id: those of the domain, without the names of calls.
const ID: &str = "^(?!(?:count|open|heartbeat|close)$)[A-Za-z0-9][A-Za-z0-9._~-]{0,127}$";
const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";

/// Writes it into every operation.
pub(in crate::http) fn complete(document: &mut Document) {
    for item in document.paths.paths.values_mut() {
        for (_, operation) in super::operations(item) {
            for parameter in operation.parameters.iter_mut().flatten() {
                is_an_id(parameter);
            }
            if let Some(RefOr::T(body)) = &mut operation.request_body {
                may_be_left_out(body);
            }
            of_problems(operation);
        }
    }
}

/// Sessions and connections in the path.
fn is_an_id(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    if parameter.parameter_in != ParameterIn::Path {
        return;
    }
    if let Some(RefOr::T(Schema::Object(schema))) = &mut parameter.schema {
        schema.pattern = Some(ID.to_owned());
        schema.min_length = Some(1);
        schema.max_length = Some(MAX_ID_BYTES);
    }
}

/// A body that is optional in the code may be absent; that is not the word `null`.
fn may_be_left_out(body: &mut RequestBody) {
    for content in body.content.values_mut() {
        let RefOr::T(content) = content else { continue };
        if let Some(RefOr::T(Schema::OneOf(several))) = &content.schema
            && let Some(reference) = several.items.iter().find(|item| matches!(item, RefOr::Ref(_)))
        {
            content.schema = Some(reference.clone());
            body.required = Some(Required::False);
        }
    }
}

/// Every answer that is no success is a problem, and says so in its content type.
fn of_problems(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if !status.starts_with(['4', '5']) {
            continue;
        }
        if let RefOr::T(Response { content, .. }) = response
            && let Some(problem) = content.shift_remove(JSON)
        {
            content.insert(PROBLEM.to_owned(), problem);
        }
    }
}

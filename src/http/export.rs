//! Rows as JSON, CSV or NDJSON, whichever the header `accept` prefers.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::Problem;

/// The forms an answer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Csv,
    Ndjson,
}

/// Each form with its media type, the one preferred where the caller does not mind first.
const FORMATS: [(Format, &str); 3] = [
    (Format::Json, "application/json"),
    (Format::Csv, "text/csv"),
    (Format::Ndjson, "application/x-ndjson"),
];

/// What a spreadsheet takes for the beginning of a formula.
const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

impl Format {
    /// The form the caller prefers.
    ///
    /// # Errors
    /// 406 when the caller takes none of them.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let accepted: Vec<&str> = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect();
        if accepted.is_empty() {
            return Ok(Self::Json);
        }
        let accepted = accepted.join(",");
        let mut best: Option<(f32, Self)> = None;
        for (format, kind) in FORMATS {
            let weight = weight(&accepted, kind);
            if weight > best.map_or(0.0, |(weight, _)| weight) {
                best = Some((weight, format));
            }
        }
        best.map(|(_, format)| format).ok_or_else(|| {
            Problem::new(
                StatusCode::NOT_ACCEPTABLE,
                "not-acceptable",
                "the answer can be application/json, text/csv or application/x-ndjson; name one of them in accept",
            )
        })
    }
}

/// The weight of a media type in a header: that of the range that names it most exactly (RFC 9110, 12.5.1).
fn weight(accepted: &str, kind: &str) -> f32 {
    let family = kind.split_once('/').map_or(kind, |(family, _)| family);
    let mut found = (0, 0.0);
    for range in accepted.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default().to_ascii_lowercase();
        let exactness = if name == kind {
            3
        } else if name.strip_suffix("/*") == Some(family) {
            2
        } else {
            u8::from(name == "*/*")
        };
        let quality = parts
            .find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")))
            .map_or(1.0, |quality| quality.parse::<f32>().unwrap_or(0.0));
        if exactness > found.0 {
            found = (exactness, quality.clamp(0.0, 1.0));
        }
    }
    found.1
}

/// A page of rows as CSV or NDJSON; where the next begins is told in the header `link`, since the body has
/// no place for it.
pub(super) fn page<T: Serialize>(
    format: Format,
    rows: &[T],
    columns: &[&str],
    next: Option<(&Uri, &str)>,
) -> Response {
    let (body, kind) = match format {
        Format::Json => return Json(rows).into_response(),
        Format::Csv => (csv(rows, columns), "text/csv; charset=utf-8; header=present"),
        Format::Ndjson => (ndjson(rows), "application/x-ndjson"),
    };
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // The same address gives JSON to others.
    headers.insert(header::VARY, HeaderValue::from_static("accept"));
    if let Some(link) = next.and_then(|(uri, cursor)| HeaderValue::from_str(&link(uri, cursor)).ok()) {
        headers.insert(header::LINK, link);
    }
    response
}

/// The same request with another cursor.
fn link(uri: &Uri, cursor: &str) -> String {
    let others = uri.query().unwrap_or_default().split('&');
    let mut query: String = others
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some("cursor"))
        .map(|pair| format!("{pair}&"))
        .collect();
    query.push_str("cursor=");
    query.push_str(cursor);
    format!("<{}?{query}>; rel=\"next\"", uri.path())
}

fn ndjson<T: Serialize>(rows: &[T]) -> Vec<u8> {
    let mut body = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut body, row).expect("rows are texts and numbers");
        body.push(b'\n');
    }
    body
}

fn csv<T: Serialize>(rows: &[T], columns: &[&str]) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    writer
        .write_record(columns)
        .expect("a vector takes what is written");
    for row in rows {
        let row = serde_json::to_value(row).expect("rows are texts and numbers");
        let cells = columns.iter().map(|column| cell(&row[*column]));
        writer
            .write_record(cells)
            .expect("every row has a cell per column");
    }
    writer.into_inner().expect("a vector takes what is written")
}

/// A cell. A text that a spreadsheet would run as a formula gets a quotation mark in front, as a person
/// would type it: user names and agents come from outside.
fn cell(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) if text.starts_with(FORMULA) => format!("'{text}"),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(accept: &str) -> Option<Format> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_str(accept).unwrap());
        Format::of(&headers).ok()
    }

    #[test]
    fn the_form_is_the_one_the_caller_prefers() {
        assert_eq!(Format::of(&HeaderMap::new()).ok(), Some(Format::Json));
        for (accept, format) in [
            ("*/*", Some(Format::Json)),
            ("text/csv", Some(Format::Csv)),
            ("TEXT/CSV; charset=utf-8", Some(Format::Csv)),
            ("text/*", Some(Format::Csv)),
            ("application/x-ndjson, */*;q=0.1", Some(Format::Ndjson)),
            ("text/csv;q=0.5, application/json;q=0.4", Some(Format::Csv)),
            ("application/json;q=0, */*", Some(Format::Csv)),
            ("text/html", None),
            ("text/csv;q=0", None),
            ("text/csv;q=x", None),
            ("", None),
        ] {
            assert_eq!(of(accept), format, "{accept}");
        }
    }

    #[test]
    fn cells_never_begin_as_a_formula() {
        for text in ["=1+1", "+49 30", "-2", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(cell(&serde_json::json!(text)), format!("'{text}"));
        }
        assert_eq!(cell(&serde_json::json!("a=b")), "a=b");
    }

    #[test]
    fn a_link_keeps_the_filters_and_replaces_the_cursor() {
        let uri: Uri = "/v1/x?user=a%2Bb&cursor=1&limit=2".parse().unwrap();
        assert_eq!(
            link(&uri, "7f"),
            "</v1/x?user=a%2Bb&limit=2&cursor=7f>; rel=\"next\""
        );
        assert_eq!(
            link(&Uri::from_static("/v1/x"), "7f"),
            "</v1/x?cursor=7f>; rel=\"next\""
        );
    }
}

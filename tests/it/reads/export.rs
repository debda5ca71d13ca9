//! The history as JSON, CSV and NDJSON, and the page of the API.

use serde_json::{Value, json};

use super::known_until;
use crate::support::TestCluster;

/// Status, headers and text.
async fn fetch(
    cluster: &TestCluster,
    path: &str,
    accept: Option<&str>,
) -> (u16, reqwest::header::HeaderMap, String) {
    let mut request = reqwest::Client::new().get(format!("{}{path}", cluster.api().base()));
    if let Some(accept) = accept {
        request = request.header("accept", accept);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.text().await.unwrap())
}

/// Every page of an export, by the header `link`.
async fn pages(cluster: &TestCluster, path: &str, accept: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut next = Some(path.to_owned());
    while let Some(path) = next {
        let (status, headers, text) = fetch(cluster, &path, Some(accept)).await;
        assert_eq!(status, 200, "{text}");
        assert!(headers["content-type"].to_str().unwrap().starts_with(accept));
        next = headers.get("link").map(|link| {
            let link = link.to_str().unwrap();
            let (path, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
            assert_eq!(rest, "; rel=\"next\"");
            path.to_owned()
        });
        texts.push(text);
        assert!(texts.len() < 20, "pages do not end");
    }
    texts
}

#[tokio::test]
async fn csv_and_ndjson_carry_the_same_rows_as_json_page_by_page() {
    let cluster = TestCluster::one().await;
    cluster.platform.create_many("s", 2).await;
    let users = [
        "=cmd()",
        "a+b@example.org",
        "say \"hi\", ann",
        "Ünal",
        "@home",
        "-1",
    ];
    for (number, name) in users.iter().enumerate() {
        let body = json!({ "user_id": name, "user_agent": "Browser, \"1\"", "client_ip": "203.0.113.7" });
        cluster
            .api()
            .open("s-0", &format!("c{number}"), &body)
            .await
            .expect(201);
    }
    cluster
        .api()
        .open("s-1", "other", &json!({ "user_id": "ann" }))
        .await
        .expect(201);
    cluster.api().close("s-0", "c0").await.expect(204);
    known_until(&cluster, cluster.state().now_ms().await).await;
    let path = "/v1/history/connections?session=s-0&limit=4";
    let (_, headers, text) = fetch(&cluster, "/v1/history/connections?session=s-0", None).await;
    assert_eq!(headers["content-type"], "application/json");
    let rows = serde_json::from_str::<Value>(&text).unwrap()["connections"].take();
    let rows = rows.as_array().unwrap().clone();
    assert_eq!(rows.len(), users.len());

    let lines: Vec<Value> = pages(&cluster, path, "application/x-ndjson")
        .await
        .iter()
        .flat_map(|text| {
            text.lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    assert_eq!(lines, rows);

    let mut read = Vec::new();
    for text in pages(&cluster, path, "text/csv").await {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let columns = reader.headers().unwrap().clone();
        for record in reader.records() {
            let record = record.unwrap();
            let cells = columns.iter().zip(&record).map(|(column, cell)| {
                let value = if cell.is_empty() { Value::Null } else { json!(cell) };
                (column.to_owned(), value)
            });
            read.push(Value::Object(cells.collect()));
        }
    }
    let expected: Vec<Value> = rows
        .iter()
        .map(|row| {
            let mut row = row.clone();
            // What a spreadsheet would run is marked as text.
            let name = row["user_id"].as_str().unwrap().to_owned();
            if name.starts_with(['=', '@', '-']) {
                row["user_id"] = json!(format!("'{name}"));
            }
            row
        })
        .collect();
    assert_eq!(read, expected);

    for (query, count) in [("open=true", 6), ("open=false", 1), ("open=true&session=s-0", 5)] {
        let answer = cluster
            .api()
            .get(&format!("/v1/history/connections?{query}"))
            .await
            .expect(200);
        assert_eq!(
            answer.body["connections"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_given_or_is_not_understood_is_a_problem() {
    let cluster = TestCluster::one().await;
    let (status, headers, text) = fetch(&cluster, "/v1/history/connections", Some("image/png")).await;
    assert_eq!(
        (status, &headers["content-type"]),
        (406, &"application/problem+json".parse().unwrap())
    );
    assert!(
        text.contains("urn:connection-tracker:problem:not-acceptable"),
        "{text}"
    );
    for (query, pointer) in [
        ("open=maybe", "open"),
        ("from=yesterday", "from"),
        ("sesion=s-0", "sesion"),
    ] {
        let answer = cluster
            .api()
            .get(&format!("/v1/history/connections?{query}"))
            .await;
        let answer = answer.expect_problem(422, "invalid-request");
        assert_eq!(answer.body["errors"][0]["pointer"], pointer, "{}", answer.body);
    }
}

#[tokio::test]
async fn the_page_of_the_api_is_served_whole_and_may_load_nothing_from_elsewhere() {
    let cluster = TestCluster::one().await;
    let (status, headers, page) = fetch(&cluster, "/docs/", None).await;
    assert_eq!(status, 200);
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(
        policy.starts_with("default-src 'none'; script-src 'self';"),
        "{policy}"
    );
    assert!(
        !page.contains("<script>"),
        "a script in the page would not run: {page}"
    );
    let files: Vec<&str> = page
        .split(['"', '\''])
        .filter(|text| matches!(text.rsplit_once('.'), Some((_, "js" | "css"))))
        .collect();
    assert!(files.len() >= 4, "{page}");
    for file in files {
        assert!(!file.contains("//"), "{file} comes from elsewhere");
        let (status, headers, text) = fetch(
            &cluster,
            &format!("/docs/{}", file.trim_start_matches("./")),
            None,
        )
        .await;
        assert_eq!(status, 200, "{file}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{file}");
        if file.ends_with("swagger-initializer.js") {
            assert!(text.contains("/openapi.json"), "{text}");
        }
    }
    // Reached without the slash too.
    let (status, _, _) = fetch(&cluster, "/docs", None).await;
    assert_eq!(status, 200);
}

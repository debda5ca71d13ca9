//! Whether a replica may be started at all, and the command that makes tokens.

use std::process::{Command, Stdio};

use connection_tracker::app::App;

use super::tokens::TokenFile;
use crate::support::TestCluster;
use crate::support::settings::Flags;

/// What is said of settings that must not be started with; nothing where they may.
fn complaint(settings: &[(&str, &str)]) -> Option<String> {
    let mut flags = Flags::quick();
    for (name, value) in settings {
        flags.set(name, value);
    }
    flags.config().validate().err().map(|error| error.to_string())
}

#[test]
fn an_address_other_than_loopback_needs_tokens_or_an_explicit_word() {
    let outside = ("http-address", "0.0.0.0:8080");
    let tokens = ("auth-tokens-file", "/etc/tracker/tokens");
    let said = complaint(&[outside]).unwrap();
    assert!(said.contains("TRACKER_AUTH_TOKENS_FILE"), "{said}");
    assert_eq!(complaint(&[outside, tokens]), None);
    assert_eq!(complaint(&[tokens]), None);
    assert_eq!(complaint(&[]), None);
}

#[test]
fn reviews_need_an_audience_a_file_of_accounts_and_times_that_are_safe() {
    let audience = ("auth-token-review-audience", "connection-tracker");
    let file = ("auth-tokens-file", "/etc/tracker/tokens");
    assert_eq!(
        complaint(&[audience, file, ("http-address", "0.0.0.0:8080")]),
        None
    );
    let cases: [(&[(&str, &str)], &str); 5] = [
        (&[audience], "TRACKER_AUTH_TOKENS_FILE"),
        (&[("auth-token-review-audience", ""), file], "must be one word"),
        (
            &[audience, file, ("auth-token-review-cache", "0s")],
            "TRACKER_AUTH_TOKEN_REVIEW_CACHE",
        ),
        (
            &[audience, file, ("auth-token-review-cache", "1h")],
            "TRACKER_AUTH_TOKEN_REVIEW_CACHE",
        ),
        (
            &[audience, file, ("auth-token-review-grace", "2h")],
            "TRACKER_AUTH_TOKEN_REVIEW_GRACE",
        ),
    ];
    for (settings, wanted) in cases {
        let said = complaint(settings).unwrap();
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn tokens_and_no_authentication_contradict_each_other() {
    let mut flags = Flags::quick();
    flags.set("auth-tokens-file", "/etc/tracker/tokens");
    let mut config = flags.config();
    config.http.allow_unauthenticated = true;
    let said = config.validate().unwrap_err().to_string();
    assert!(said.contains("contradict"), "{said}");
    config.auth.auth_tokens_file = None;
    assert!(config.validate().is_ok());
}

#[tokio::test]
async fn a_missing_or_broken_file_refuses_the_start_with_a_sentence() {
    let file = TokenFile::new(&["client=a".to_owned()]);
    let cluster = TestCluster::builder().replicas(0).start().await;
    let path = file.path().display().to_string();
    let start = async || App::start(&cluster.flags(&[("auth-tokens-file", &path)]).config()).await;
    let broken = start().await.err().unwrap().to_string();
    assert!(broken.contains("line 1: roles= is missing"), "{broken}");
    file.remove();
    let missing = start().await.err().unwrap().to_string();
    assert!(
        missing.contains(&path) && missing.contains("TRACKER_AUTH_TOKENS_FILE"),
        "{missing}"
    );
}

#[tokio::test]
async fn the_command_makes_a_token_and_a_line_that_let_its_client_in() {
    let make = |client: &str| {
        let made = Command::new(env!("CARGO_BIN_EXE_connection-tracker"))
            .args([
                "token",
                "--client",
                client,
                "--roles",
                "reader,operator",
                "--scope",
                "all",
            ])
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(made.stdout).unwrap();
        let find = |start: &str| {
            text.lines()
                .find(|line| line.starts_with(start))
                .map(str::to_owned)
        };
        (find("ctk_"), find("client="))
    };
    let (Some(token), Some(line)) = make("ops") else {
        panic!("a token and its line are printed")
    };
    assert!(!line.contains(&token));
    assert_ne!(make("ops").0.unwrap(), token);
    assert_eq!(make("not a name"), (None, None));

    let file = TokenFile::new(&[line]);
    let cluster = file.builder().start().await;
    let answer = cluster.api().with_token(&token).get("/v1/admin/mode").await;
    answer.expect(200);
}

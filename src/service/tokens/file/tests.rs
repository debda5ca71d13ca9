//! What the file of tokens may say, and what is said of what it may not.

use super::*;

const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

const EVERYTHING: Surroundings = Surroundings {
    has_namespaces: true,
    has_reviews: true,
};

fn hash(token: &str) -> String {
    let line = line("x", "reader", "all", token).unwrap();
    line.rsplit_once('=').unwrap().1.to_owned()
}

fn reason(text: &str) -> String {
    parse(text.as_bytes(), EVERYTHING).unwrap_err().to_string()
}

#[test]
fn a_file_is_read_as_people_write_it() {
    let text = format!(
        "\u{feff}# who may call\r\n\n  sha256={} client=gw roles=gateway scope=all # since May\r\n\
         client=gw roles=gateway scope=all sha256={}\n\
         client=team roles=reader,operator,reader scope=namespace:team-a,prefix:demo- sha256={}\n",
        hash("one").to_uppercase(),
        hash("two"),
        hash("three"),
    );
    let table = parse(text.as_bytes(), EVERYTHING).unwrap();
    let of = |token: &str| table.callers.get(&digest(token.as_bytes()));
    let gateway = Caller::new("gw", &[Role::Gateway], Scope::All);
    assert_eq!((of("one"), of("two")), (Some(&gateway), Some(&gateway)));
    let prefixes = Scope::Prefixes(vec!["team-a~".to_owned(), "demo-".to_owned()]);
    let team = Caller::new("team", &[Role::Operator, Role::Reader], prefixes);
    assert_eq!((of("three"), of("four")), (Some(&team), None));
}

#[test]
fn hashes_are_those_of_sha256sum() {
    assert_eq!(hash("test"), HASH);
}

#[test]
fn what_cannot_be_understood_is_named_by_line_and_reason_and_never_repeated() {
    let good = format!("client=a roles=reader scope=all sha256={HASH}\n");
    for (bad, wanted) in [
        ("S3CRET", "word 1"),
        ("S3CRET==", "word 1"),
        ("client=a roles=reader scope=all sha256=S3CRET", "64 hexadecimal"),
        (
            &format!("client=a roles=reader scope=all sha256={}", "+1".repeat(32)),
            "64 hexadecimal",
        ),
        (
            &format!("client=a roles=reader scope=all sha256={HASH} -"),
            "word 5",
        ),
        ("client=a client=b", "word 2 says again"),
        (
            &format!("client=a roles=admin scope=all sha256={HASH}"),
            "gateway, reader or operator",
        ),
        (
            &format!("client=a roles= scope=all sha256={HASH}"),
            "gateway, reader or operator",
        ),
        (
            &format!("client=a roles=reader sha256={HASH}"),
            "scope= is missing",
        ),
        (
            &format!("client=a roles=reader scope= sha256={HASH}"),
            "scope= must be",
        ),
        (
            &format!("client=a roles=reader scope=prefix: sha256={HASH}"),
            "scope= must be",
        ),
        (
            &format!("client=a roles=reader scope=all,prefix:x sha256={HASH}"),
            "scope= must be",
        ),
        (
            &format!("client=a roles=reader scope=namespace:A sha256={HASH}"),
            "scope= must be",
        ),
        (
            "client=a roles=reader scope=all",
            "service_account= and group= is missing",
        ),
        (
            &format!("client=a roles=reader scope=all sha256={HASH} group=g"),
            "word 5 is one too many",
        ),
        (
            "client=b roles=reader scope=all service_account=S3CRET",
            "<namespace>/<name>",
        ),
        (
            "client=b roles=reader scope=all service_account=n/S3CRET",
            "<namespace>/<name>",
        ),
        ("client=b roles=reader scope=all group=", "group= must be"),
        (
            &format!("client=a/b roles=reader scope=all sha256={HASH}"),
            "client= must be",
        ),
        (&good, "same sha256 as line 2"),
        (
            &format!("client=a roles=operator scope=all sha256={}", hash("x")),
            "than line 2",
        ),
        (
            &format!("client=a roles=reader scope=prefix:x sha256={}", hash("x")),
            "than line 2",
        ),
    ] {
        let said = reason(&format!("# tokens\n{good}\n{bad}"));
        assert!(said.starts_with("line 4: "), "{bad}: {said}");
        assert!(said.contains(wanted), "{bad}: {said}");
        assert!(!said.contains("S3CRET") && !said.contains(HASH), "{said}");
    }
    let not_text = parse(b"# x\n\xff\n", EVERYTHING).unwrap_err();
    assert_eq!(not_text.to_string(), "line 2: is not UTF-8");
}

#[test]
fn hashes_of_nothing_and_files_without_a_token_are_refused() {
    for nothing in ["", "\n"] {
        let line = format!("client=a roles=reader scope=all sha256={}", {
            let mut text = String::new();
            for byte in digest(nothing.as_bytes()) {
                let _ = write!(text, "{byte:02x}");
            }
            text
        });
        assert!(reason(&line).contains("hash of nothing"));
    }
    for empty in ["", "\n\n", "# client=a"] {
        assert!(reason(empty).contains("no token"), "{empty:?}");
    }
}

#[test]
fn a_namespace_is_no_scope_where_ids_do_not_name_one() {
    let line = format!("client=a roles=reader scope=namespace:team-a sha256={HASH}");
    assert!(parse(line.as_bytes(), EVERYTHING).is_ok());
    let said = parse(
        line.as_bytes(),
        Surroundings {
            has_namespaces: false,
            ..EVERYTHING
        },
    )
    .unwrap_err()
    .to_string();
    assert!(said.contains("TRACKER_KUBERNETES_NAMESPACES"), "{said}");
}

#[test]
fn accounts_and_groups_of_the_cluster_stand_beside_tokens() {
    let text = format!(
        "client=gw roles=gateway scope=all sha256={HASH}\n\
         client=gw roles=gateway scope=all service_account=desktops/gate.way-1\n\
         client=ops roles=operator scope=all group=system:serviceaccounts:ops # everybody there\n",
    );
    let table = parse(text.as_bytes(), EVERYTHING).unwrap();
    let gateway = Caller::new("gw", &[Role::Gateway], Scope::All);
    let name = "system:serviceaccount:desktops:gate.way-1";
    assert_eq!(table.account(name, &[]), Some(&gateway));
    let groups = ["system:serviceaccounts:ops".to_owned()];
    assert_eq!(table.account("x", &groups).and_then(Caller::name), Some("ops"));

    let twice = format!("{text}client=gw roles=gateway scope=all service_account=desktops/gate.way-1");
    assert!(reason(&twice).ends_with("line 4: holds the same service_account as line 2"));
    let without = Surroundings {
        has_reviews: false,
        ..EVERYTHING
    };
    let said = parse(text.as_bytes(), without).unwrap_err().to_string();
    assert!(
        said.starts_with("line 2: ") && said.contains("TRACKER_AUTH_TOKEN_REVIEW_AUDIENCE"),
        "{said}"
    );
}

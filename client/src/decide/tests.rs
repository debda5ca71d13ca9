//! One test for each row of the gateway's contract, and for what the contract leaves open.

use super::*;

const CALLS: [Call; 3] = [Call::Open, Call::Heartbeat, Call::Close];
const AGAIN: Action = Action::Again { alarm: false };
const ALARM: Action = Action::Again { alarm: true };

/// The service's own problem and the same reason inside a batch answer: always one decision.
fn both(status: u16, name: &str, reason: &str) -> [Answer; 2] {
    [
        Answer::Problem(status, ProblemKind::from_name(name)),
        Answer::Rejected(ProblemKind::from_name(reason)),
    ]
}

#[test]
fn accepted_keeps_the_socket_and_ends_a_close() {
    assert_eq!(decide(Call::Open, &Answer::Accepted), Action::Keep);
    assert_eq!(decide(Call::Heartbeat, &Answer::Accepted), Action::Keep);
    assert_eq!(decide(Call::Close, &Answer::Accepted), Action::Forget);
}

#[test]
fn timeouts_and_lost_answers_keep_the_socket_and_repeat_the_call() {
    for call in CALLS {
        assert_eq!(decide(call, &Answer::Unknown), AGAIN);
    }
}

#[test]
fn every_5xx_keeps_the_socket_and_repeats_the_call_whoever_sent_it() {
    for call in CALLS {
        for status in [500, 502, 503, 504] {
            assert_eq!(decide(call, &Answer::Foreign(status)), AGAIN);
            for kind in [
                "store-unavailable",
                "platform-unavailable",
                "internal",
                "connection-closed",
            ] {
                assert_eq!(
                    decide(call, &Answer::Problem(status, ProblemKind::from_name(kind))),
                    AGAIN
                );
            }
        }
    }
}

#[test]
fn a_429_on_a_heartbeat_keeps_the_socket_and_repeats_the_call() {
    assert_eq!(decide(Call::Heartbeat, &Answer::Foreign(429)), AGAIN);
    for kind in ["limit-reached", "overloaded"] {
        assert_eq!(
            decide(
                Call::Heartbeat,
                &Answer::Problem(429, ProblemKind::from_name(kind))
            ),
            AGAIN
        );
    }
}

#[test]
fn bad_credentials_keep_the_socket_repeat_the_call_and_raise_the_alarm() {
    for call in CALLS {
        for (status, name) in [(401, "unauthenticated"), (403, "forbidden")] {
            let kind = ProblemKind::from_name(name);
            assert!(!matches!(kind, ProblemKind::Other(_)), "{name}");
            assert_eq!(decide(call, &Answer::Foreign(status)), ALARM);
            assert_eq!(decide(call, &Answer::Problem(status, kind)), ALARM);
        }
    }
}

#[test]
fn the_error_page_of_a_proxy_keeps_the_socket_whatever_its_status() {
    for call in CALLS {
        for status in [200, 301, 400, 404, 409, 410, 413, 422, 429] {
            assert_eq!(decide(call, &Answer::Foreign(status)), AGAIN, "{call:?} {status}");
        }
    }
}

#[test]
fn not_tracked_opens_the_same_id_again() {
    for answer in both(404, "connection-not-tracked", "not_tracked") {
        assert_eq!(decide(Call::Heartbeat, &answer), Action::OpenAgain);
    }
}

#[test]
fn closed_closes_the_socket_and_forgets() {
    for answer in both(410, "connection-closed", "closed") {
        assert_eq!(decide(Call::Heartbeat, &answer), Action::Close { code: 1000 });
        assert_eq!(decide(Call::Open, &answer), Action::Refuse { code: 1000 });
    }
}

#[test]
fn a_session_gone_under_a_live_socket_closes_it_with_4410() {
    for answer in both(410, "session-terminated", "session_terminated")
        .iter()
        .chain(&both(410, "session-hibernated", "session_hibernated"))
    {
        assert_eq!(decide(Call::Heartbeat, answer), Action::Close { code: 4410 });
    }
}

#[test]
fn an_open_of_a_sleeping_session_that_no_person_asked_for_is_refused_with_4409() {
    for answer in both(409, "session-hibernated", "session_hibernated") {
        assert_eq!(decide(Call::Open, &answer), Action::Refuse { code: 4409 });
    }
}

#[test]
fn opens_without_a_session_or_a_free_slot_are_refused() {
    for (status, name, reason, code) in [
        (404, "session-not-found", "session_not_found", 4404),
        (429, "limit-reached", "limit_reached", 4429),
        (410, "session-terminated", "session_terminated", 4410),
        (409, "connection-conflict", "connection_conflict", 4400),
        (422, "invalid-request", "invalid", 4400),
    ] {
        for answer in both(status, name, reason) {
            assert_eq!(decide(Call::Open, &answer), Action::Refuse { code }, "{name}");
        }
    }
}

#[test]
fn a_close_of_what_is_gone_already_is_done() {
    for name in [
        "not_tracked",
        "closed",
        "session_terminated",
        "session_hibernated",
        "session_not_found",
    ] {
        assert_eq!(
            decide(Call::Close, &Answer::Rejected(ProblemKind::from_name(name))),
            Action::Forget
        );
    }
}

#[test]
fn a_problem_type_of_a_later_version_never_cuts_a_user() {
    for call in CALLS {
        for answer in both(418, "session-is-a-teapot", "session_is_a_teapot") {
            assert_eq!(decide(call, &answer), AGAIN);
        }
    }
}

//! The servers themselves, byte by byte: silence, half a header, room for connections, stops, overload.
//!
//! Here and elsewhere each row of "bad input and bad times" in the API's design has its test:
//!
//! | Row | Test |
//! |---|---|
//! | ids, user ids, bodies: 422 with a pointer | `connections::input`: `names_of_calls_and_ids_..`, `bad_fields_of_an_open_..`, `what_does_not_parse_is_pointed_at` |
//! | user agent cut, control characters stripped | `connections::input`: `long_agents_are_cut_..`, `control_characters_..` |
//! | 413 that names both | `connections::input`: `bodies_over_their_limit_..`; `batches::many`: `batches_over_their_limits_..` |
//! | nothing sent, half a header | `silence`: `silence_and_half_a_header_..` |
//! | body stalled | `body`: `a_body_that_stands_still_..` |
//! | (answer that nobody reads) | `body`: `an_answer_that_nobody_reads_is_given_up` |
//! | header over 32 KiB | `silence`: `a_header_over_its_limit_..` |
//! | keep-alive outlives the header timeout | `silence`: `a_kept_connection_..` |
//! | same id, another user: 409 | `connections::life`: `another_user_cannot_take_an_open_connection` |
//! | names of calls are no ids | `connections::input`: `names_of_calls_and_ids_..` |
//! | terminated: 410 | `connections::life`: `termination_of_the_session_ends_its_connections_for_good` |
//! | limit reached: 429 | `connections::limit`: `limit_reached_names_..`, `connection_that_is_silent_for_..` |
//! | Redis away: 503, recovers | `retry::redis`: all of them |
//! | platform cannot be asked: 503 | `connections::unknown`: `unknown_session_is_503_..` |
//! | overload | `overload`: both; `src/http/shed.rs` |

mod body;
mod drain;
mod overload;
mod raw;
mod room;
mod silence;

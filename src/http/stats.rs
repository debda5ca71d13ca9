//! Statistics: the six figures that the seed gave, and what people who run it look at first.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::Params;
use super::problem::Problem;
use super::session::PageParams;
use super::state::Api;
use super::stats_top::{SessionConnections, TopCursor, TopPage, page};
use crate::domain::access::Caller;
use crate::domain::clock;
use crate::domain::mode::ModeRecord;
use crate::service::census::Census;
use crate::service::stats::{GatewayStats, Overview, Totals};
use crate::store::redis::{Brakes, LeaseHolder};

/// Sessions of the list, unless asked otherwise.
const TOP: u32 = 20;

/// How much of the list of sessions.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct StatsParams {
    /// Sessions of `session_connections`, 1 to 1,000; default 20.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the answer before: the sessions that follow.
    cursor: Option<String>,
}

/// Whether the installation acts.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ModeStats {
    /// Partitions by the mode in force there; more than one only for seconds after a change.
    partitions: BTreeMap<String, u32>,
    /// The last change; absent while nobody ever armed, and while Postgres cannot be asked.
    last_change: Option<ModeRecord>,
}

/// Where nothing expires and nothing hibernates.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HoldStats {
    /// Partitions that hold, of 256.
    partitions: u32,
    since: Option<Timestamp>,
    /// When the last of them ends.
    until: Timestamp,
    /// Partitions by reason: `data_lost`, `gap`, `clock_stepped_back`, `server_changed`.
    reasons: BTreeMap<String, u32>,
}

/// Who sweeps.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LeaderStats {
    /// Host name and process id.
    holder: String,
    term: u64,
    /// When it began, by the clock of Postgres; absent while that cannot be asked.
    since: Option<Timestamp>,
    /// When it ends unless it is renewed.
    until: Timestamp,
}

/// A gateway.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct GatewayView {
    /// Its name; empty for connections that name none.
    gateway: String,
    /// When it last opened something, or sent a batch that names it; absent when not within a day. Single
    /// heartbeats name no gateway.
    last_batch_at: Option<Timestamp>,
    /// How long ago, in ms, exact to some seconds.
    silent_for_ms: Option<i64>,
    /// Connections it holds, as the history knows; absent while Postgres cannot be asked.
    open_connections: Option<i64>,
}

/// The way of the history to Postgres.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryLag {
    /// Entries that wait.
    waiting: u64,
    /// Age of the oldest of them, in ms.
    lag_ms: i64,
    /// Everything before this instant is in Postgres.
    known_until: Timestamp,
    /// Entries that were not taken because a stream was full: should be 0.
    dropped: u64,
    /// Entries that could not be written, counted up to 10,000: should be 0. Absent while Postgres cannot be
    /// asked.
    dead_letters: Option<i64>,
}

/// Work that is due.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DueStats {
    /// Sessions whose time to be looked at has come; one that stays means that nobody sweeps.
    overdue_sessions: u64,
    /// Wakes that are filed and not yet written to their object.
    wakes: u64,
}

/// What holds back when too much happens at once.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BrakeStats {
    /// Until when no connection expires; absent when the brake is off, or lets some expire.
    expiry_hold_until: Option<Timestamp>,
    /// Until when, if not longer, connections expire slowly; absent when the brake is off.
    expiry_slow_until: Option<Timestamp>,
    /// Connections that went silent within one window, and how many would have been taken for everyday.
    expiry_silent: Option<i64>,
    expiry_threshold: Option<i64>,
    /// Until when, if not longer, sessions wait to sleep; absent when the brake is off.
    hibernation_held_until: Option<Timestamp>,
    /// Sessions that may sleep in a minute.
    hibernation_limit: Option<i64>,
}

impl From<Brakes> for BrakeStats {
    fn from(brakes: Brakes) -> Self {
        let at = |ms: Option<i64>| ms.map(clock::instant);
        Self {
            expiry_hold_until: at(brakes.expiry_hold_until_ms),
            expiry_slow_until: at(brakes.expiry_slow_until_ms),
            expiry_silent: brakes.expiry_stale,
            expiry_threshold: brakes.expiry_threshold,
            hibernation_held_until: at(brakes.hibernation_held_until_ms),
            hibernation_limit: brakes.hibernation_limit,
        }
    }
}

/// Idle sessions that would sleep now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WouldSleep {
    /// In mode act with adopt all.
    sessions: u64,
    /// Those among them that had a connection since arming, or were made since; 0 while nobody armed.
    eligible: u64,
}

impl From<&Census> for WouldSleep {
    fn from(census: &Census) -> Self {
        Self {
            sessions: census.would_sleep,
            eligible: census.are_eligible,
        }
    }
}

/// A part that is missing, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MissingPart {
    /// `census` or `postgres`.
    part: &'static str,
    reason: &'static str,
}

/// Statistics.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatsAnswer {
    /// When this was read, by the clock of Redis.
    as_of: Timestamp,
    /// When the connections were counted; a count is used again for some seconds.
    counted_at: Option<Timestamp>,
    /// How long that took, in ms.
    counted_in_ms: Option<u64>,
    /// Connections tracked, those stale and not yet expired among them.
    total_connections: Option<u64>,
    /// Live connections, by the clock of Redis.
    active_connections: Option<u64>,
    /// Those among them that count only because of a hold.
    unconfirmed_connections: Option<u64>,
    /// Sessions with at least one live connection.
    unique_sessions: Option<u64>,
    /// How long a connection counts after a heartbeat.
    #[schema(example = "60s")]
    heartbeat_window: String,
    /// The same in ms.
    heartbeat_window_ms: u64,
    /// How often due sessions are looked for.
    #[schema(example = "1s")]
    check_interval: String,
    /// The same in ms.
    check_interval_ms: u64,
    /// Sessions with most live connections, those with most first; the list ends after 10,000.
    session_connections: Vec<SessionConnections>,
    /// Give it as `cursor` for the sessions that follow; absent on the last page.
    next_cursor: Option<String>,
    /// Sessions known.
    total_sessions: Option<u64>,
    sessions_by_state: Option<BTreeMap<String, u64>>,
    /// Of the whole installation; absent for callers who may see only a part of it.
    connections_by_protocol: Option<BTreeMap<String, i64>>,
    /// At most 1,000, those that called last first; absent for callers who may see only a part of the
    /// installation.
    gateways: Option<Vec<GatewayView>>,
    /// Gateways that called within a day.
    gateways_known: Option<u64>,
    mode: ModeStats,
    /// Absent while there is none.
    hold: Option<HoldStats>,
    /// Absent while nobody sweeps.
    brakes: BrakeStats,
    leader: Option<LeaderStats>,
    history: HistoryLag,
    due: DueStats,
    /// Idle sessions that would sleep now; absent while they are not counted yet.
    would_sleep_now: Option<WouldSleep>,
    /// Parts that are missing, and why.
    missing: Vec<MissingPart>,
}

/// Statistics of the installation, at most seconds old. What comes from Postgres is left out while that is away.
#[utoipa::path(get, path = "/v1/stats", tag = "operating", params(StatsParams),
    responses((status = 200, body = StatsAnswer), (status = 422, body = Problem), (status = 503, body = Problem)))]
pub(super) async fn read(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Params(params): Params<StatsParams>,
) -> Result<Json<StatsAnswer>, Problem> {
    let scope = caller.scope();
    let limit = PageParams::limit(params.limit.or(Some(TOP)))?;
    let cursor = params.cursor.as_deref().map(TopCursor::parse).transpose()?;
    let snapshot = api.stats.read(scope).await?;
    let mut missing = Vec::new();
    if let Some(reason) = snapshot.overview.postgres_missing {
        missing.push(MissingPart {
            part: "postgres",
            reason,
        });
    }
    let census = match &snapshot.census {
        Ok(census) => census.as_ref().as_ref().map_err(|error| {
            tracing::debug!(%error, "statistics without a census");
            "Redis could not be asked about every session"
        }),
        Err(reason) => Err(*reason),
    };
    let census = census
        .map_err(|reason| {
            missing.push(MissingPart {
                part: "census",
                reason,
            });
        })
        .ok();
    let sees_all = scope.prefixes().is_none();
    Ok(Json(answer(
        &api,
        &snapshot.overview,
        census,
        sees_all,
        missing,
        page(census, limit, cursor.as_ref()),
    )))
}

fn answer(
    api: &Api,
    overview: &Overview,
    census: Option<&Census>,
    sees_all: bool,
    missing: Vec<MissingPart>,
    (session_connections, next_cursor): TopPage,
) -> StatsAnswer {
    let totals = &overview.totals;
    StatsAnswer {
        as_of: clock::instant(totals.now_ms),
        counted_at: census.map(|census| clock::instant(census.counted_at_ms)),
        counted_in_ms: census.map(|census| ms(census.took)),
        total_connections: census.map(|census| census.tracked),
        active_connections: census.map(|census| census.live),
        unconfirmed_connections: census.map(|census| census.unconfirmed),
        unique_sessions: census.map(|census| census.connected_sessions),
        heartbeat_window: text(api.connections.window()),
        heartbeat_window_ms: ms(api.connections.window()),
        check_interval: text(api.check_interval),
        check_interval_ms: ms(api.check_interval),
        session_connections,
        next_cursor,
        total_sessions: census.map(|census| census.sessions),
        sessions_by_state: census.map(|census| census.states.clone()),
        connections_by_protocol: sees_all.then(|| totals.protocols.clone()),
        gateways: sees_all.then(|| overview.gateways.iter().map(gateway).collect()),
        gateways_known: sees_all.then_some(overview.gateways_known),
        mode: ModeStats {
            partitions: totals.modes.clone(),
            last_change: overview.mode.clone(),
        },
        hold: hold(totals),
        brakes: overview.brakes.into(),
        would_sleep_now: census.map(WouldSleep::from),
        leader: overview
            .leader
            .as_ref()
            .map(|leader| leading(leader, overview.leader_since)),
        history: HistoryLag {
            waiting: totals.history,
            lag_ms: (totals.now_ms - totals.known_until_ms).max(0),
            known_until: clock::instant(totals.known_until_ms),
            dropped: totals.dropped,
            dead_letters: overview.dead_letters,
        },
        due: DueStats {
            overdue_sessions: totals.overdue,
            wakes: totals.wakes,
        },
        missing,
    }
}

fn hold(totals: &Totals) -> Option<HoldStats> {
    totals.holds.as_ref().map(|holds| HoldStats {
        partitions: holds.partitions,
        since: holds.since_ms.map(clock::instant),
        until: clock::instant(holds.until_ms),
        reasons: holds.reasons.clone(),
    })
}

fn leading(leader: &LeaseHolder, since: Option<Timestamp>) -> LeaderStats {
    LeaderStats {
        holder: leader.holder.clone(),
        term: leader.term,
        since,
        until: clock::instant(leader.until_ms),
    }
}

fn gateway(gateway: &GatewayStats) -> GatewayView {
    GatewayView {
        gateway: gateway.name.clone(),
        last_batch_at: gateway.last_call_ms.map(clock::instant),
        silent_for_ms: gateway.silent_ms,
        open_connections: gateway.open,
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// As settings are written: `60s`, or `2300ms` where seconds are not whole.
fn text(duration: Duration) -> String {
    if duration.subsec_nanos() == 0 {
        format!("{}s", duration.as_secs())
    } else {
        format!("{}ms", duration.as_millis())
    }
}

//! The loop: what is due goes out, what comes back is decided by the table, and that sets what is due next.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::calls::{Calls, Item, Outcome, Report};
use super::entry::{Entry, Phase};
use super::trouble::Trouble;
use super::{Command, Status, Verdict};
use crate::backoff;
use crate::decide::{Action, Answer, Call, decide};
use crate::problem::{Problem, ProblemKind};

/// Taken for the window until the service has named it. It only bounds the longest back-off.
const ASSUMED_WINDOW: Duration = Duration::from_secs(60);

/// A pace faster than this is taken for a mistake: it would turn the loop into a storm.
const MIN_PACE: Duration = Duration::from_millis(20);

/// Heartbeats due this soon go along with those due now. Connections opened one by one so fall into a
/// few common batches; earlier than asked is harmless, later would not be.
const GO_ALONG: Duration = Duration::from_millis(200);

/// Most commands taken in one turn, so that a flood of them cannot starve what is due.
const COMMANDS_PER_TURN: usize = 4_096;

pub(super) struct Keeper {
    calls: Calls,
    entries: HashMap<u64, Entry>,
    /// Each entry with no call under way stands here exactly once.
    schedule: BTreeSet<(Instant, u64)>,
    window: Duration,
    go_along: Duration,
    draining: bool,
    trouble: Trouble,
}

impl Keeper {
    pub(super) fn new(calls: Calls) -> Self {
        Self {
            calls,
            entries: HashMap::new(),
            schedule: BTreeSet::new(),
            window: ASSUMED_WINDOW,
            go_along: Duration::ZERO,
            draining: false,
            trouble: Trouble::default(),
        }
    }

    /// Runs until all is closed after a `Drain`, or after the last owner has gone.
    pub(super) async fn run(
        mut self,
        mut commands: mpsc::UnboundedReceiver<Command>,
        mut reports: mpsc::UnboundedReceiver<Report>,
    ) {
        let mut inbox = Vec::new();
        let mut owned = true;
        while !(self.draining && self.entries.is_empty()) {
            let next = self.schedule.first().map(|(due, _)| *due);
            tokio::select! {
                count = commands.recv_many(&mut inbox, COMMANDS_PER_TURN), if owned => {
                    owned = count > 0;
                    self.draining |= !owned;
                    inbox.drain(..).for_each(|command| self.obey(command));
                }
                Some(report) = reports.recv() => self.learn(report),
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
            }
            self.dispatch(Instant::now());
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            // A connect that comes after the drain has nobody to serve it: its handle says Stopped.
            Command::Connect { ticket, entry } if !self.draining => {
                self.entries.insert(ticket, *entry);
                self.schedule(ticket, Instant::now());
            }
            Command::Connect { .. } => {}
            Command::Close { ticket, reason } => self.close(ticket, reason.map(Arc::from)),
            Command::Abandon { ticket } => drop(self.remove(ticket)),
            Command::Drain => {
                self.draining = true;
                let living: Vec<u64> = self
                    .entries
                    .iter()
                    .filter(|(_, e)| e.call() != Call::Close)
                    .map(|(t, _)| *t)
                    .collect();
                for ticket in living {
                    self.close(ticket, None);
                }
            }
        }
    }

    fn close(&mut self, ticket: u64, reason: Option<Arc<str>>) {
        if let Some(entry) = self.entries.get_mut(&ticket) {
            entry.enter(Phase::Closing(reason));
            // A call under way is waited for: a close that overtakes its open is a different story.
            if entry.due.is_some() {
                self.schedule(ticket, Instant::now());
            }
        }
    }

    /// Sends what is due.
    fn dispatch(&mut self, now: Instant) {
        let (mut opens, mut beats, mut closes) = (Vec::new(), Vec::new(), Vec::new());
        while let Some((due, ticket)) = self.schedule.first().copied().filter(|(due, _)| *due <= now) {
            self.schedule.remove(&(due, ticket));
            let Some(entry) = self.entries.get_mut(&ticket) else {
                continue;
            };
            entry.due = None;
            let item = item(ticket, entry);
            match &entry.phase {
                Phase::Opening => self.calls.open(item),
                Phase::Reopening => opens.push(item),
                Phase::Live => beats.push(item),
                Phase::Closing(Some(reason)) => self.calls.close(item, reason.clone()),
                Phase::Closing(None) => closes.push(item),
            }
        }
        if !beats.is_empty() {
            let soon = self.schedule.range(..=(now + self.go_along, u64::MAX)).copied();
            let steady =
                |(_, ticket): &(Instant, u64)| self.entries.get(ticket).is_some_and(Entry::is_steady);
            for (due, ticket) in soon.filter(steady).collect::<Vec<_>>() {
                self.schedule.remove(&(due, ticket));
                if let Some(entry) = self.entries.get_mut(&ticket) {
                    entry.due = None;
                    beats.push(item(ticket, entry));
                }
            }
        }
        for (call, items) in [
            (Call::Open, opens),
            (Call::Heartbeat, beats),
            (Call::Close, closes),
        ] {
            if !items.is_empty() {
                self.calls.batch(call, items);
            }
        }
    }

    /// Acts on what came back.
    fn learn(&mut self, report: Report) {
        let now = Instant::now();
        if let Some(pace) = report.pace {
            self.window = pace.window();
            self.go_along = GO_ALONG.min(pace.next_heartbeat() / 8);
        }
        let beat_at = report.pace.map(|pace| now + pace.next_heartbeat().max(MIN_PACE));
        // One roll for the whole call, so that what failed together is asked together again.
        let roll: f64 = rand::random();
        let (mut failed, mut alarm) = (0_usize, false);
        for outcome in report.outcomes {
            let action = decide(report.call, &outcome.answer);
            if let Action::Again { alarm: loud } = action {
                failed += 1;
                alarm |= loud;
            }
            self.act(report.call, action, outcome, now, beat_at, roll);
        }
        if failed > 0 {
            self.trouble
                .tell(report.call, failed, alarm, report.error.as_ref(), now);
        }
    }

    fn act(
        &mut self,
        call: Call,
        action: Action,
        outcome: Outcome,
        now: Instant,
        beat_at: Option<Instant>,
        roll: f64,
    ) {
        let ticket = outcome.ticket;
        let Some(entry) = self.entries.get_mut(&ticket) else {
            return;
        };
        let overtaken = entry.call() != call;
        match action {
            Action::Forget => self.end(ticket, Verdict::Closed),
            // The owner closed it meanwhile, and the service has nothing left to close.
            Action::Close { .. } | Action::Refuse { .. } if overtaken => self.end(ticket, Verdict::Closed),
            _ if overtaken => self.schedule(ticket, now),
            Action::Keep => {
                if let Some(opened) = outcome.opened {
                    entry.show(Status::Open(opened));
                }
                entry.enter(Phase::Live);
                // An answer to an open or a heartbeat always names the pace; were it missing, ask soon.
                self.schedule(ticket, beat_at.unwrap_or(now + backoff::FIRST));
            }
            Action::Again { .. } => {
                let wait = entry.fail(self.window, roll);
                self.schedule(ticket, now + wait);
            }
            Action::OpenAgain => {
                entry.reopen();
                self.schedule(ticket, now);
            }
            Action::Close { code } => self.end(
                ticket,
                Verdict::Close {
                    code,
                    cause: cause(outcome.answer),
                },
            ),
            Action::Refuse { code } => {
                let answer = outcome.answer;
                let problem = outcome
                    .problem
                    .unwrap_or_else(|| Problem::of_kind(0, cause(answer)));
                self.end(ticket, Verdict::Refuse { code, problem });
            }
        }
    }

    fn schedule(&mut self, ticket: u64, at: Instant) {
        if let Some(entry) = self.entries.get_mut(&ticket) {
            if let Some(before) = entry.due.replace(at) {
                self.schedule.remove(&(before, ticket));
            }
            self.schedule.insert((at, ticket));
        }
    }

    fn remove(&mut self, ticket: u64) -> Option<Entry> {
        let entry = self.entries.remove(&ticket)?;
        if let Some(due) = entry.due {
            self.schedule.remove(&(due, ticket));
        }
        Some(entry)
    }

    fn end(&mut self, ticket: u64, verdict: Verdict) {
        if let Some(entry) = self.remove(ticket) {
            tracing::debug!(session = %entry.session, connection = %entry.connection, ?verdict, "ended");
            entry.end(verdict);
        }
    }
}

fn item(ticket: u64, entry: &Entry) -> Item {
    let (session, connection) = (entry.session.clone(), entry.connection.clone());
    Item {
        ticket,
        session,
        connection,
        request: entry.request.clone(),
    }
}

/// The service's word in an answer that ends a connection; no other answer does.
fn cause(answer: Answer) -> ProblemKind {
    match answer {
        Answer::Problem(_, kind) | Answer::Rejected(kind) => kind,
        Answer::Accepted | Answer::Foreign(_) | Answer::Unknown => ProblemKind::Other(String::new()),
    }
}

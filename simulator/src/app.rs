//! Everything one simulator owns, shared by its requests and its controller.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Options, Settings, access::Access, cleanup, controller::Controller, fault::Faults, kinds::Kinds,
    log::RequestLog, stats::Stats, store::Store, watch::Cut,
};

/// Versions per second of the clock that the default first version leaves room for: a run that writes
/// less than this on average never reaches the versions its successor starts with.
const VERSIONS_PER_SECOND: u64 = 100;

pub(crate) struct App {
    pub(crate) options: Options,
    pub(crate) kinds: Kinds,
    /// Namespaces that were deleted; all others are there.
    pub(crate) gone_namespaces: Mutex<HashSet<String>>,
    pub(crate) store: Store,
    pub(crate) controller: Controller,
    pub(crate) access: Access,
    pub(crate) faults: Faults,
    pub(crate) log: RequestLog,
    pub(crate) stats: Stats,
    pub(crate) settings: watch::Sender<Settings>,
    /// Raised to cut all watches.
    pub(crate) cuts: watch::Sender<Cut>,
    pub(crate) tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
}

impl App {
    pub(crate) fn new(options: Options) -> Self {
        let first_version = options.first_version.unwrap_or_else(|| {
            u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(1) * VERSIONS_PER_SECOND
        });
        let store = Store::new(options.log_size, first_version);
        let app = Self {
            kinds: Kinds::new(&store),
            gone_namespaces: Mutex::default(),
            store,
            controller: Controller::default(),
            access: Access::new(options.admin_token.clone()),
            faults: Faults::default(),
            log: RequestLog::new(options.request_log_size),
            stats: Stats::default(),
            settings: watch::Sender::new(options.settings.clone()),
            cuts: watch::Sender::new(Cut::default()),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            options,
        };
        cleanup::install(&app);
        app
    }

    /// Waits; false when the simulator stops meanwhile.
    pub(crate) async fn wait(&self, time: Duration) -> bool {
        if time.is_zero() {
            return true;
        }
        tokio::select! {
            () = self.stopping.cancelled() => false,
            () = tokio::time::sleep(time) => true,
        }
    }
}

/// Locks a mutex whose content stays valid even if a holder panicked.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

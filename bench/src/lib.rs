//! Load on an installation, for who wants to know what theirs holds: `connection-tracker bench`.
//!
//! ```text
//!  schedule: when is which call due? --> Line: waits, sends, counts from when it was DUE --> Recorder --> Report
//!                                          |
//!                                          v
//!                                 connection-tracker-client
//! ```
//!
//! An open loop: calls are made when they are due, whether or not those before were answered. A service that stands
//! still for a second is seen by every call of that second, not by one (no coordinated omission).

mod batch;
mod beat;
mod churn;
mod close;
mod duration;
mod fleet;
mod line;
mod load;
mod names;
mod open;
mod options;
mod preflight;
mod process;
mod progress;
mod record;
mod redis;
mod report;
mod run;
mod session;
mod table;
mod wake;

pub use beat::beat;
pub use churn::churn;
pub use close::close_all;
pub use fleet::Fleet;
pub use load::Load;
pub use names::Names;
pub use open::{Wave, open_all};
pub use options::{Options, Storm};
pub use process::cpu_seconds;
pub use record::{Kind, Recorder};
pub use report::{CallReport, Report};
pub use run::{measure, run};
pub use session::make_sessions;

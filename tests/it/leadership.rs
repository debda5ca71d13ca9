//! Who sweeps: one by the lease, two for good without it. The lease saves work and carries no promise.

mod lease;
mod ledger;
mod random;
mod two_leaders;

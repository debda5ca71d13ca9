//! The larger worlds that `big` walks through; the small ones are in the tests.

use connection_tracker_model::{Fence, Size};

const TWO: Size = Size {
    connections: 2,
    ..Size::SMALLEST
};
const PAIRS: Size = Size { sweepers: 2, ..TWO };
const SCALE: Size = Size {
    fence: Fence::Timeout,
    ..TWO
};

/// Name and size.
pub(crate) const WORLDS: [(&str, Size); 26] = [
    ("2 sweepers, 2 wakers, 2 connections", Size { wakers: 2, ..PAIRS }),
    ("2 sweepers, 2 connections, 2 faults", Size { faults: 2, ..PAIRS }),
    ("2 sweepers, 2 connections, a hand", Size { hands: 1, ..PAIRS }),
    ("2 connections, 2 hands", Size { hands: 2, ..TWO }),
    (
        "2 sweepers, 2 watches, a hand",
        Size {
            watches: 2,
            hands: 1,
            connections: 1,
            ..PAIRS
        },
    ),
    ("2 sweepers, 2 connections, a loss", Size { losses: 1, ..PAIRS }),
    (
        "2 sweepers, a hand, a loss",
        Size {
            hands: 1,
            losses: 1,
            connections: 1,
            ..PAIRS
        },
    ),
    (
        "2 sweepers, 2 connections, a foreign annotation",
        Size {
            annotations: 1,
            ..PAIRS
        },
    ),
    ("2 connections, a failover", Size { failovers: 1, ..TWO }),
    (
        "2 sweepers, a failover",
        Size {
            failovers: 1,
            connections: 1,
            ..PAIRS
        },
    ),
    (
        "2 sweepers, 2 connections, a start limit",
        Size {
            start_limits: 1,
            ..PAIRS
        },
    ),
    (
        "2 connections, slow starts, a hand",
        Size {
            starts_slowly: true,
            hands: 1,
            ..TWO
        },
    ),
    (
        "2 connections, a hand, a start limit",
        Size {
            hands: 1,
            start_limits: 1,
            ..TWO
        },
    ),
    (
        "slow starts, a loss, a start limit",
        Size {
            starts_slowly: true,
            losses: 1,
            start_limits: 1,
            connections: 1,
            ..TWO
        },
    ),
    (
        "a failover, a hand, a start limit",
        Size {
            failovers: 1,
            hands: 1,
            start_limits: 1,
            faults: 0,
            connections: 1,
            ..TWO
        },
    ),
    (
        "an operator, a hand, 2 connections",
        Size {
            operators: 1,
            hands: 1,
            faults: 0,
            ..TWO
        },
    ),
    (
        "weaker fence: slow starts, a hand, a start limit",
        Size {
            starts_slowly: true,
            hands: 1,
            start_limits: 1,
            connections: 1,
            ..SCALE
        },
    ),
    (
        "weaker fence: slow starts, a loss, a start limit",
        Size {
            starts_slowly: true,
            losses: 1,
            start_limits: 1,
            connections: 1,
            ..SCALE
        },
    ),
    (
        "weaker fence: a failover, a hand",
        Size {
            failovers: 1,
            hands: 1,
            faults: 0,
            connections: 1,
            ..SCALE
        },
    ),
    (
        "weaker fence: an operator, 2 connections",
        Size {
            operators: 1,
            ..SCALE
        },
    ),
    (
        "weaker fence: 2 sweepers, 2 connections",
        Size { sweepers: 2, ..SCALE },
    ),
    (
        "weaker fence: 2 sweepers, 2 faults",
        Size {
            sweepers: 2,
            faults: 2,
            connections: 1,
            ..SCALE
        },
    ),
    ("weaker fence: 2 connections, 2 hands", Size { hands: 2, ..SCALE }),
    ("weaker fence: 2 connections, a loss", Size { losses: 1, ..SCALE }),
    (
        "weaker fence: 2 connections, a failover",
        Size {
            failovers: 1,
            ..SCALE
        },
    ),
    (
        "weaker fence: 2 connections, slow starts, 2 wakers",
        Size {
            starts_slowly: true,
            wakers: 2,
            ..SCALE
        },
    ),
];

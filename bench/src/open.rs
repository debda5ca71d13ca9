//! Opens the connections in batches at a told rate; or opens all of them again at once.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use connection_tracker_client::{Intent, OpenRequest};
use tokio::time::Instant;

use crate::batch::{Batch, Opening};
use crate::load::Load;
use crate::record::Kind;

/// Most opens the service takes in one call.
const LARGEST: usize = 1_000;
/// Documentation addresses (RFC 5737), so that a record of these is known for what it is.
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 7));
/// A user agent of the usual length, 110 bytes.
const AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 abcdefgh";

/// Which opens, and when they are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wave {
    /// So many a second.
    Rate(u32),
    /// All at once, each with a new id that replaces its old one.
    Again,
}

/// What a gateway tells of a user.
pub(crate) fn request(number: usize) -> OpenRequest {
    OpenRequest {
        client_ip: Some(ADDRESS),
        user_agent: Some(AGENT.to_owned()),
        protocol: Some("websocket".to_owned()),
        ..OpenRequest::new(format!("bench-user-{number}"))
    }
}

/// Opens all connections; a block begins to send heartbeats when all its opens were answered.
pub async fn open_all(load: &Load, wave: Wave) {
    let (mut line, fleet) = (load.opens(), &load.fleet);
    if wave == Wave::Again {
        // A heartbeat on its way would meet its connection replaced.
        (0..fleet.blocks()).for_each(|block| fleet.set_beating(block, false));
        load.beats_answered().await;
    }
    let mut start = Instant::now();
    let kind = match wave {
        Wave::Rate(_) => Kind::OpenBatch,
        Wave::Again => Kind::Reconnect,
    };
    'blocks: for block in 0..fleet.blocks() {
        let numbers = fleet.numbers(block);
        let pieces = numbers.len().div_ceil(LARGEST);
        let left = Arc::new(AtomicUsize::new(pieces));
        for first in numbers.clone().step_by(LARGEST) {
            let piece = first..(first + LARGEST).min(numbers.end);
            let due = match wave {
                Wave::Rate(rate) => {
                    start += load.unpaused().await;
                    #[expect(clippy::cast_precision_loss, reason = "seconds, to a millisecond")]
                    let after = first as f64 / f64::from(rate.max(1));
                    start + Duration::from_secs_f64(after)
                }
                Wave::Again => start,
            };
            if !load.wait(due).await {
                break 'blocks;
            }
            fleet.set_tried(block);
            let (own, left) = (load.clone(), Arc::clone(&left));
            line.send(kind, due, async move {
                let fleet = &own.fleet;
                let mut openings = Vec::with_capacity(piece.len());
                for number in fleet.present(piece.clone()) {
                    openings.push(opening(&own, number, wave));
                }
                let places: Vec<(usize, String)> = openings
                    .iter()
                    .map(|opening| (opening.number, opening.pair.1.clone()))
                    .collect();
                let sent = Batch::Open(openings).until_answered(&own.tracker).await;
                if !sent.refused.is_empty() {
                    let refused = places.iter().filter(|(_, id)| sent.refused.contains(id));
                    refused.for_each(|(number, _)| fleet.exclude(*number));
                }
                if wave != Wave::Again {
                    fleet.add_opened(places.len() - sent.refused.len());
                }
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    if wave == Wave::Again {
                        fleet.next_life(block);
                    }
                    fleet.set_beating(block, true);
                }
                sent.outcome
            })
            .await;
        }
    }
    line.finish().await;
}

fn opening(load: &Load, number: usize, wave: Wave) -> Opening {
    let (fleet, mut request) = (&load.fleet, request(number));
    let mut life = fleet.life(fleet.block_of(number));
    if wave == Wave::Again {
        request.intent = Intent::Reconnect;
        request.replaces = Some(fleet.names.connection(number, life));
        life = life.wrapping_add(1);
    }
    Opening {
        number,
        pair: (
            fleet.names.session_of(number),
            fleet.names.connection(number, life),
        ),
        request,
    }
}

//! The end of a run: everything it opened is closed, in batches.

use crate::batch::Batch;
use crate::line::Line;
use crate::load::Load;
use crate::record::Kind;

/// Batches under way at once: quick, and far from what the service sheds.
const AT_ONCE: usize = 8;

/// Closes all connections that were opened, or may have been, as fast as that is answered.
pub async fn close_all(load: &Load) {
    let mut line = Line::new(load.recorder.clone(), AT_ONCE);
    for block in (0..load.fleet.blocks()).filter(|block| load.fleet.is_tried(*block)) {
        load.fleet.set_beating(block, false);
        let pairs = load.fleet.pairs(load.fleet.numbers(block));
        if pairs.is_empty() {
            continue;
        }
        let tracker = load.tracker.clone();
        line.send_when_free(Kind::CloseBatch, async move {
            Batch::Close(pairs).until_answered(&tracker).await.outcome
        })
        .await;
    }
    line.finish().await;
}

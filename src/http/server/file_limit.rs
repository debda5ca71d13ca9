//! The limit of open files: connections beyond it would take the descriptors of Redis and Postgres.

/// Descriptors kept for everything that is no connection of a caller: stores, platform, listeners, files.
const KEPT: u32 = 128;
/// A limit so low that nothing is left is a mistake; with this many the replica at least says so.
const LEAST: u32 = 16;

/// As many connections as wanted, or as many as there are descriptors for.
pub(super) fn cap(wanted: u32) -> u32 {
    let Some(limit) = std::fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|text| open_files(&text))
    else {
        return wanted;
    };
    let possible = limit.saturating_sub(KEPT).max(LEAST);
    if possible < wanted {
        tracing::warn!(
            open_files = limit,
            connections = possible,
            "the limit of open files allows fewer connections than TRACKER_HTTP_CONNECTIONS; raise it (ulimit -n, \
             LimitNOFILE=)"
        );
    }
    wanted.min(possible)
}

/// The soft limit, as Linux shows it; none where it is unlimited or shown otherwise.
fn open_files(limits: &str) -> Option<u32> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_of_open_files_is_read() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             15000                15000                processes \n\
                    Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(text), Some(1024));
        assert_eq!(
            open_files("Max open files            unlimited            unlimited            files"),
            None
        );
        assert_eq!(open_files(""), None);
    }
}

//! Processor time and memory of processes on this host, from `/proc`.

use anyhow::Context;

/// `/proc` counts in these: 100 to the second on every Linux that we build for.
const TICKS_PER_SECOND: f64 = 100.0;

/// Seconds of processor a process has used, all its threads together.
///
/// # Errors
/// When there is no such process, or no `/proc`.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    let path = format!("/proc/{pid}/stat");
    let stat = std::fs::read_to_string(&path).with_context(|| format!("{path} cannot be read"))?;
    used(&stat).with_context(|| format!("{path} is not as expected: {stat}"))
}

/// Fields 14 and 15, in user and in kernel mode. The name in parentheses may hold anything, also spaces.
fn used(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

/// Bytes of memory a process holds.
pub(crate) fn resident_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_read_behind_a_name_that_holds_anything() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194304 1 2 3 4 250 50 9 9 20 0 1 0 100 0 0";
        assert_eq!(used(stat), Some(3.0));
        assert_eq!(used("7 (a) S 1"), None);
    }

    #[test]
    fn this_process_is_found_and_one_that_cannot_be_is_not() {
        assert!(cpu_seconds(std::process::id()).unwrap() >= 0.0);
        assert!(resident_bytes(std::process::id()).unwrap() > 0);
        assert!(cpu_seconds(u32::MAX).is_err());
    }
}

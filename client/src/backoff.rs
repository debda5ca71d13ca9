//! How long to wait before the same call is made again. Pure, but for [`jittered`], which rolls the dice.

use std::time::Duration;

/// Ceiling of the first wait. Shorter would hammer a service that restarts; longer would waste the
/// window in which a lost heartbeat can still be made good.
pub const FIRST: Duration = Duration::from_millis(500);

/// The longest wait before attempt `attempt` (0 is the first repetition): 0.5 s, doubling, at most half the window.
///
/// Half the window leaves room for a second try before the connection ceases to count as live.
#[must_use]
pub fn ceiling(attempt: u32, window: Duration) -> Duration {
    FIRST
        .saturating_mul(2_u32.saturating_pow(attempt))
        .min(window / 2)
}

/// Full jitter: `roll` in `[0, 1)` picks a point between nothing and the ceiling, so that a thousand
/// gateways that failed together do not come back together.
#[must_use]
pub fn delay(attempt: u32, window: Duration, roll: f64) -> Duration {
    ceiling(attempt, window).mul_f64(roll.clamp(0.0, 1.0))
}

/// [`delay`] with a random roll.
#[must_use]
pub fn jittered(attempt: u32, window: Duration) -> Duration {
    delay(attempt, window, rand::random())
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(60);

    #[test]
    fn waits_double_from_half_a_second_up_to_half_the_window() {
        let ceilings: Vec<u128> = (0..9).map(|n| ceiling(n, WINDOW).as_millis()).collect();
        assert_eq!(
            ceilings,
            [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]
        );
    }

    #[test]
    fn a_gateway_that_has_failed_for_days_still_asks_every_half_window() {
        assert_eq!(ceiling(u32::MAX, WINDOW), WINDOW / 2);
    }

    #[test]
    fn a_window_shorter_than_a_second_bounds_even_the_first_wait() {
        assert_eq!(ceiling(0, Duration::from_millis(600)), Duration::from_millis(300));
    }

    #[test]
    fn jitter_is_full_from_nothing_to_the_ceiling() {
        assert_eq!(delay(3, WINDOW, 0.0), Duration::ZERO);
        assert_eq!(delay(3, WINDOW, 0.5), Duration::from_secs(2));
        let waits: Vec<Duration> = (0..1_000).map(|_| jittered(3, WINDOW)).collect();
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(4)));
        assert!(waits.iter().any(|wait| *wait < Duration::from_secs(1)));
        assert!(waits.iter().any(|wait| *wait > Duration::from_secs(3)));
    }
}

//! Dependencies that go away, hang, or come back as something else: what callers see, and that it mends itself.

mod postgres;
mod redis;

//! The protocol of `docs/protocol.md` as a model, and the checker's walk through it.

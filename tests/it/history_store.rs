//! The history store against a real Postgres: replays, poison, partitions, pages, schema and mode.

mod events;
mod pages;
mod schema;
mod writes;

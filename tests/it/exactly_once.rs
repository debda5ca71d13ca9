//! Every acknowledged open and its one end are in history exactly once, whoever is killed and whenever.

mod drain;
mod driver;
mod kills;

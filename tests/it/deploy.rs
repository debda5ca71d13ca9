//! The service as it is installed: in parts, with few rights, watched, and replaced while it is used.

mod acl;
mod compose;
mod health;
mod load;
mod roles;
mod rolling;
mod snippets;
mod versions;

//! Living on a server: what the host's service manager, its monitoring and its operator are told, and the schedule.
//!
//! - [`metrics`]: what is in force as Prometheus reads it, in a file or under `/metrics`.
//! - [`notify`]: a webhook or a command hears of a trouble, and that it is over.
//! - [`journal`]: systemd's journal, with fields.
//! - [`service`]: systemd's notify socket, its watchdog, and sockets that it hands over.
//! - [`pages`]: `/metrics` and `/healthz` for the server.
//! - [`daemon`]: the schedule, in one process that starts each task as a command of its own.
//!
//! What always holds: nothing here decides what is published, and no trouble here ends a run.

mod agenda;
pub mod daemon;
pub mod journal;
pub mod metrics;
pub mod notify;
pub mod pages;
pub mod service;

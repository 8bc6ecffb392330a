//! bivouac keeps Alpine Linux package repositories where they are needed: it mirrors, verifies, merges, signs and
//! publishes. The modules below stand in the data's order; README draws the same map.

// decisions: pure; no file, socket, clock or environment
pub mod apk;
pub mod verify;
pub mod select;
pub mod solve;
pub mod snapshot;
pub mod merge;
pub mod plan;
pub mod delta;
pub mod calendar;
pub mod audit;
pub mod finding;

// hands: files, sockets, keys
pub mod config;
pub mod disk;
pub mod places;
pub mod sources;
pub mod pool;
pub mod ledger;
pub mod sign;
pub mod publish;
pub mod bundle;
pub mod backup;
pub mod serve;
pub mod doctor;

// joints
pub mod jobs;
pub mod site;
pub mod ops;
pub mod report;
pub mod error;

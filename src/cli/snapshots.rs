//! `bivouac snapshots`: what was accepted when; `snapshots pin` and `unpin`.

use bivouac::jobs::snapshots::{self as job, Pin};

use super::global::Output;
use super::sync::call;
use super::{Failure, Global, Outcome, out};

/// Arguments of `snapshots`.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Keep a snapshot whatever [retain] says
    Pin {
        /// Its id or how it begins
        id: String,
    },
    /// Let [retain] decide about it again
    Unpin {
        /// Its id or how it begins
        id: String,
    },
}

pub(crate) fn run(global: &Global, args: Args) -> Result<Outcome, Failure> {
    let config = super::config::load(global)?;
    let (pin, text) = match args.action {
        None => return list(global, &job::snapshots(&config)?),
        Some(Action::Pin { id }) => (Pin::Set, id),
        Some(Action::Unpin { id }) => (Pin::Lift, id),
    };
    let id = job::pin(&config, &text, pin, call(global)?)?;
    match global.output() {
        Output::Json => out::json(&serde_json::json!({"id": id, "pinned": pin == Pin::Set}))?,
        Output::Text => out::line(match pin {
            Pin::Set => format!("snapshot {id} stays until `bivouac snapshots unpin {id}`"),
            Pin::Lift => format!("snapshot {id} is not pinned any more"),
        })?,
    }
    Ok(Outcome::Done)
}

fn list(global: &Global, snapshots: &[job::SnapshotReport]) -> Result<Outcome, Failure> {
    if global.output() == Output::Json {
        out::json(&snapshots)?;
        return Ok(Outcome::Done);
    }
    for snapshot in snapshots {
        let mut words = vec![format!("{} indexes", snapshot.indexes)];
        words.extend(snapshot.live.then(|| "live".to_owned()));
        words.extend(snapshot.at.iter().map(|at| format!("at {at}")));
        words.extend(snapshot.pinned.then(|| "pinned".to_owned()));
        let time = snapshot.time.strftime("%Y-%m-%d %H:%M:%S UTC");
        out::line(format_args!("{}  {time}  {}", snapshot.id, words.join(", ")))?;
    }
    Ok(Outcome::Done)
}

//! The machine as the last process left it.

use std::{path::Path, sync::Arc};

use botwatch_core::alerting::{
    self, Checkpoint, CheckpointError, Machine, Options, Record, RecordError, Seq, Table,
};
use botwatch_core::model::{Duration, Timestamp};

use crate::store::{self, Backend as _, Finding, Retention, Row, Sqlite};

/// Why the journal can't be taken up. Damage is not among them: it is repaired and reported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The files.
    #[error("can't open the journal")]
    Store(#[from] store::Error),
    /// A checkpoint of a later version.
    #[error("can't read the journal's checkpoint")]
    Checkpoint(#[from] CheckpointError),
    /// A record of a later version.
    #[error("can't read record {seq} of the journal")]
    Record {
        /// Which.
        seq: u64,
        /// Why.
        #[source]
        source: RecordError,
    },
}

/// What was found.
pub struct Restored {
    /// The machine, as of the newest record.
    pub machine: Machine,
    /// The journal's files.
    pub backend: Sqlite,
    /// What was repaired.
    pub findings: Vec<Finding>,
    /// Records read after the checkpoint.
    pub replayed: u64,
}

/// Opens the journal of a data directory and brings the machine up to its newest record. What can't be read is cut off
/// and replaced by a checkpoint of the rest.
///
/// # Errors
/// [`Error`]; a journal of a later version names the version that reads it.
pub fn restore(dir: &Path, options: Arc<Options>, now: Timestamp) -> Result<Restored, Error> {
    let mut backend = Sqlite::open(dir)?;
    let loaded = backend.load()?;
    let mut findings = loaded.findings;
    let found = loaded.rows.into_iter().filter_map(|row| {
        let table = Table::ALL.into_iter().find(|t| t.name() == row.table)?;
        Some(alerting::Row { table, key: row.key, json: row.value })
    });
    let checkpoint = match Checkpoint::from_rows(found) {
        Ok(checkpoint) => checkpoint,
        Err(newer @ CheckpointError::Format { .. }) => return Err(newer.into()),
        Err(damaged) => {
            findings.push(lost(&format!(
                "the checkpoint of the journal is damaged ({damaged}); open alerts before it are lost"
            )));
            Checkpoint { seq: loaded.checkpoint, ..Checkpoint::default() }
        }
    };
    let mut machine = Machine::restore(options, checkpoint);
    let (mut replayed, mut damaged) = (0, false);
    'all: for batch in &loaded.batches {
        for (i, text) in batch.records.iter().enumerate() {
            let seq = batch.first.0 + i as u64;
            if Seq(seq) <= machine.seq() {
                continue;
            }
            match Record::decode(text) {
                Ok(record) => machine.apply(&record),
                Err(newer @ RecordError::Unknown { .. }) => return Err(Error::Record { seq, source: newer }),
                Err(RecordError::Malformed(why)) => {
                    findings.push(lost(&format!(
                        "record {seq} of the journal is damaged ({why}); what came after it is lost"
                    )));
                    damaged = true;
                    break 'all;
                }
            }
            replayed += 1;
        }
    }
    if damaged {
        backend.cut_after(machine.seq())?;
        let keep = Retention { age: Duration::from_secs(30 * 86_400), bytes_max: u64::MAX };
        store::write_checkpoint(&mut backend, machine.seq(), rows(&machine), now, keep)?;
    }
    Ok(Restored { machine, backend, findings, replayed })
}

/// A machine's checkpoint as the store keeps it: sorted by table and key. Only the copy is made at once.
pub(super) fn rows(machine: &Machine) -> impl Iterator<Item = Row> + Send + 'static {
    machine.checkpoint().into_rows().map(|row| Row {
        table: row.table.name().to_owned(),
        key: row.key,
        value: row.json,
    })
}

fn lost(message: &str) -> Finding {
    Finding { message: message.to_owned() }
}

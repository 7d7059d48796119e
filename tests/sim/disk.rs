//! The store that survives crashes: a checkpoint's rows and the batches after it, as `store` keeps them.

use std::sync::Arc;

use botwatch_core::alerting::{Checkpoint, Machine, Options, Record, Row, Seq};

#[derive(Default)]
pub(crate) struct Disk {
    pub refuses: bool,
    rows: Vec<Row>,
    checkpoint: Seq,
    /// Encoded records, each with its sequence.
    journal: Vec<(Seq, String)>,
}

/// What is written in one go.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub first: Seq,
    pub records: Vec<Record>,
}

impl Batch {
    pub(crate) fn last(&self) -> Seq {
        Seq(self.first.0 + self.records.len() as u64 - 1)
    }
}

impl Disk {
    pub(crate) fn append(&mut self, batch: &Batch) {
        let expected = self.journal.last().map_or(self.checkpoint, |(seq, _)| *seq);
        assert_eq!(batch.first.0, expected.0 + 1, "the journal has no holes");
        for (i, record) in batch.records.iter().enumerate() {
            self.journal.push((Seq(batch.first.0 + i as u64), record.encode()));
        }
    }

    pub(crate) fn checkpoint(&mut self, at: Seq, rows: Vec<Row>) {
        self.rows = rows;
        self.checkpoint = at;
        self.journal.retain(|(seq, _)| *seq > at);
    }

    /// The machine as the last process left it; `forget` leaves out the journal, as a broken shell would.
    pub(crate) fn restore(
        &self,
        options: Arc<Options>,
        change: impl FnOnce(&mut Checkpoint),
        forget: bool,
    ) -> Machine {
        let mut checkpoint = Checkpoint::from_rows(self.rows.iter().cloned()).expect("our own rows");
        change(&mut checkpoint);
        let mut machine = Machine::restore(options, checkpoint);
        for (seq, text) in self.journal.iter().filter(|_| !forget) {
            assert_eq!(machine.seq().0 + 1, seq.0, "records follow the checkpoint");
            machine.apply(&Record::decode(text).expect("our own record"));
        }
        machine
    }

    /// Where a process that starts goes on.
    pub(crate) fn last(&self) -> Seq {
        self.journal.last().map_or(self.checkpoint, |(seq, _)| *seq)
    }

    /// Leaves the newest records out for good.
    pub(crate) fn cut(&mut self) {
        self.journal.clear();
    }
}

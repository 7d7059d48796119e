//! One series: labels, tail, open chunk.

use super::chunk::{BLOCK_SAMPLES, ChunkReader, ChunkWriter};
use super::sink::{ChunkRef, ChunkSink, FullChunk};
use super::{SeriesId, limits::BLOCK_OVERHEAD};
use crate::model::{Labels, Sources, Timestamp};

/// A series in memory. The tail is a ring of its newest samples, encoded or not, so that the newest one and short
/// windows never decode. Times are offsets from `base`, which saves half of their bytes.
pub(super) struct Series {
    pub(super) labels: Labels,
    pub(super) sources: Sources,
    pub(super) newest_chunk: Option<ChunkRef>,
    /// Exactly as long as what is in it.
    pub(super) open: Box<[u8]>,
    writer: ChunkWriter,
    base: i64,
    tail_t: [u32; BLOCK_SAMPLES],
    tail_v: [f64; BLOCK_SAMPLES],
    /// The slot that the next sample takes.
    at: u8,
    /// How many slots hold a sample.
    held: u8,
    /// The first slot that is not yet encoded.
    block_at: u8,
}

/// What became of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Append {
    Stored,
    /// The newest sample again, bit for bit.
    Repeated,
    /// The newest sample's time with another value.
    Duplicate,
    OutOfOrder,
}

/// What encoding needs and reports.
pub(super) struct Encoding<'a> {
    pub(super) scratch: &'a mut Vec<u8>,
    pub(super) sink: &'a mut dyn ChunkSink,
    /// Bytes of all open chunks.
    pub(super) open_bytes: &'a mut usize,
    pub(super) chunks_cut: u64,
}

impl Series {
    pub(super) fn new(id: SeriesId, labels: Labels, sources: Sources, now: Timestamp) -> Self {
        let phase = (id.0 as usize % BLOCK_SAMPLES) as u8;
        Self {
            labels,
            sources,
            newest_chunk: None,
            open: Box::default(),
            writer: ChunkWriter::default(),
            base: now.0,
            tail_t: [0; BLOCK_SAMPLES],
            tail_v: [0.0; BLOCK_SAMPLES],
            at: phase,
            held: 0,
            block_at: phase,
        }
    }

    /// Appends a sample if it is newer than all before.
    pub(super) fn append(&mut self, id: SeriesId, t: i64, v: f64, encoding: &mut Encoding<'_>) -> Append {
        if let Some((newest, value)) = self.newest() {
            if t < newest {
                return Append::OutOfOrder;
            }
            if t == newest {
                let same = value.to_bits() == v.to_bits();
                return if same { Append::Repeated } else { Append::Duplicate };
            }
        }
        let offset = match t.checked_sub(self.base).map(u32::try_from) {
            Some(Ok(offset)) if self.held > 0 => offset,
            _ => self.rebase(id, t, encoding),
        };
        let at = usize::from(self.at) % BLOCK_SAMPLES;
        self.tail_t[at] = offset;
        self.tail_v[at] = v;
        self.at = at as u8 + 1;
        self.held = (self.held + 1).min(BLOCK_SAMPLES as u8);
        if usize::from(self.at) == BLOCK_SAMPLES {
            self.encode(id, encoding);
            self.at = 0;
            self.block_at = 0;
        }
        Append::Stored
    }

    /// Makes `t` representable: measures from the oldest sample held or, after a gap of 49 days, begins a new tail.
    fn rebase(&mut self, id: SeriesId, t: i64, encoding: &mut Encoding<'_>) -> u32 {
        if let Some(&(oldest, _)) = self.tail().as_slice().first() {
            if let Some(Ok(offset)) = t.checked_sub(oldest).map(u32::try_from) {
                // What is in slots no longer held wraps; nobody reads it.
                let by = oldest.wrapping_sub(self.base) as u32;
                self.tail_t.iter_mut().for_each(|offset| *offset = offset.wrapping_sub(by));
                self.base = oldest;
                return offset;
            }
            self.encode(id, encoding);
            let phase = (id.0 as usize % BLOCK_SAMPLES) as u8;
            (self.at, self.block_at, self.held) = (phase, phase, 0);
        }
        self.base = t;
        0
    }

    /// Encodes what isn't yet into the open chunk, and hands that over when it is full with it.
    fn encode(&mut self, id: SeriesId, encoding: &mut Encoding<'_>) {
        let block = usize::from(self.block_at)..usize::from(self.at);
        if block.is_empty() {
            return;
        }
        let mut times = [0; BLOCK_SAMPLES];
        for (t, &offset) in times.iter_mut().zip(&self.tail_t[block.clone()]) {
            *t = self.base + i64::from(offset);
        }
        let times = &times[..block.len()];
        let chunk = &mut *encoding.scratch;
        chunk.clear();
        chunk.extend_from_slice(&self.open);
        *encoding.open_bytes -= open_cost(&self.open);
        if self.writer.append(chunk, times, &self.tail_v[block]) {
            let last = Timestamp(times[times.len() - 1]);
            let (first, samples) =
                ChunkReader::new(chunk).map_or((last, 0), |r| (Timestamp(r.first()), r.count() as u32));
            let previous = self.newest_chunk;
            let full = FullChunk { series: id, previous, first, last, samples, bytes: chunk };
            self.newest_chunk = Some(encoding.sink.push(full));
            self.open = Box::default();
            encoding.chunks_cut += 1;
        } else {
            self.open = chunk.as_slice().into();
        }
        *encoding.open_bytes += open_cost(&self.open);
    }

    /// Time and value of the newest sample.
    pub(super) fn newest(&self) -> Option<(i64, f64)> {
        let at = (usize::from(self.at) + BLOCK_SAMPLES - 1) % BLOCK_SAMPLES;
        (self.held > 0).then(|| (self.base + i64::from(self.tail_t[at]), self.tail_v[at]))
    }

    /// When it was last written, or made if it never was.
    pub(super) fn active_at(&self) -> i64 {
        self.newest().map_or(self.base, |(t, _)| t)
    }

    /// The samples held raw, oldest first.
    pub(super) fn tail(&self) -> Tail {
        let mut tail = Tail { samples: [(0, 0.0); BLOCK_SAMPLES], held: self.held.into() };
        let first = usize::from(self.at) + BLOCK_SAMPLES - tail.held;
        for (i, sample) in tail.samples[..tail.held].iter_mut().enumerate() {
            let slot = (first + i) % BLOCK_SAMPLES;
            *sample = (self.base + i64::from(self.tail_t[slot]), self.tail_v[slot]);
        }
        tail
    }

    /// Whether there are samples that the tail may not hold.
    pub(super) fn has_chunks(&self) -> bool {
        !self.open.is_empty() || self.newest_chunk.is_some()
    }

    /// Lets go of the open chunk; how many samples are lost with it, as soon as the tail loses them too, and up to
    /// when.
    pub(super) fn drop_open_chunk(&mut self) -> Option<(u64, i64)> {
        let (mut t, mut v) = (Vec::new(), Vec::new());
        ChunkReader::new(&self.open).ok()?.read(i64::MIN, i64::MAX, &mut t, &mut v).ok()?;
        self.open = Box::default();
        self.writer.cut();
        Some((t.len() as u64, *t.last()?))
    }

    /// Bytes of the open chunk, as counted while encoding.
    pub(super) fn open_cost(&self) -> usize {
        open_cost(&self.open)
    }
}

fn open_cost(open: &[u8]) -> usize {
    if open.is_empty() { 0 } else { open.len() + BLOCK_OVERHEAD }
}

/// A copy of a series' newest samples.
pub(super) struct Tail {
    samples: [(i64, f64); BLOCK_SAMPLES],
    held: usize,
}

impl Tail {
    /// Oldest first.
    pub(super) fn as_slice(&self) -> &[(i64, f64)] {
        &self.samples[..self.held]
    }
}

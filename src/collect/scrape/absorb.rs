//! A body becomes samples: parsed, looked up in the cache, labelled and limited where a series is new (spec S8–S13).

use botwatch_core::{
    exposition::{Entry, Format, Parser},
    model::{Labels, Timestamp},
    tsdb::SeriesId,
};

use super::{
    Error,
    cache::{Cache, DROPPED, Found, Place},
    labels,
};
use crate::{collect::JobOptions, runtime::Stop};

/// More samples of one target than a whole head takes series: the bound where no `sample_limit` is set.
pub(super) const SAMPLES_MAX: usize = 250_000;
/// Samples before relabelling, for each that may be kept: beyond, no more is read.
const READ_FOR_KEPT: usize = 2;
/// So many samples are read before looking again whether to stop; a power of two.
const AT_ONCE: usize = 1024;
/// Room for what is recorded about the target, and a few series more than last time.
const SPARE: usize = 32;

/// What a scrape counted, also a failed one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::collect) struct Counts {
    /// Samples exposed.
    pub(in crate::collect) scraped: usize,
    /// Samples after relabelling.
    pub(in crate::collect) kept: usize,
    /// Series that the scrape before didn't have.
    pub(in crate::collect) added: usize,
    /// Samples of a series that had one already.
    pub(in crate::collect) duplicates: usize,
    /// Native histograms of which only the classic part is kept.
    pub(in crate::collect) native_skipped: usize,
}

/// What a scrape brought.
#[derive(Debug, Default)]
pub(in crate::collect) struct Absorbed {
    /// Its samples.
    pub(in crate::collect) samples: Vec<(SeriesId, Timestamp, f64)>,
    /// Series that the last scrape had and this one lacks, each once.
    pub(in crate::collect) missing: Vec<SeriesId>,
    /// Its counts.
    pub(in crate::collect) counts: Counts,
}

/// An answer to be absorbed.
#[derive(Debug, Clone, Copy)]
pub(in crate::collect) struct Answer<'a> {
    /// The body, decompressed.
    pub(in crate::collect) body: &'a [u8],
    /// How it is written.
    pub(in crate::collect) format: Format,
    /// The time of samples that have none of their own.
    pub(in crate::collect) at: Timestamp,
    /// The target's labels.
    pub(in crate::collect) target: &'a Labels,
    /// Cancelled when nobody wants the samples any more.
    pub(in crate::collect) stop: &'a Stop,
}

/// Gives the ids of series by their labels, in order, `None` for a refused one.
pub(in crate::collect) type Make<'a> = &'a mut dyn FnMut(&[Labels]) -> Vec<Option<SeriesId>>;

/// What [`absorb`] gives.
pub(in crate::collect) type Outcome = Result<Absorbed, (Error, Counts)>;

/// Reads a whole answer.
///
/// Its work is bounded: by the body for text, by what it may expand to for protobuf, and by the samples that are read
/// at all.
///
/// # Errors
/// When nothing of it may be kept, with what was counted so far; [`Cache::fail`] has to follow.
pub(in crate::collect) fn absorb(
    answer: &Answer<'_>,
    job: &JobOptions,
    cache: &mut Cache,
    make: Make<'_>,
) -> Outcome {
    let mut counts = Counts::default();
    read(answer, job, cache, make, &mut counts).map_err(|error| (error, counts))
}

fn read(
    answer: &Answer<'_>,
    job: &JobOptions,
    cache: &mut Cache,
    make: Make<'_>,
    counts: &mut Counts,
) -> Result<Absorbed, Error> {
    let max = if job.sample_limit == 0 { SAMPLES_MAX } else { job.sample_limit };
    // Beyond its limit a scrape has failed, but its samples are still counted, for whoever sets the limit.
    let counted = max.max(SAMPLES_MAX);
    let mut samples = Vec::with_capacity(cache.len().min(max) + SPARE);
    let mut pending = Pending::default();
    let mut round = cache.round();
    let mut parser = Parser::new(answer.body, answer.format);
    while counts.kept <= counted {
        let Some(entry) = parser.next_entry()? else { break };
        let Entry::Sample(sample) = entry else { continue };
        counts.scraped += 1;
        if counts.scraped.is_multiple_of(AT_ONCE) && answer.stop.is_cancelled() {
            return Err(Error::Stopped);
        }
        if counts.scraped > counted.saturating_mul(READ_FOR_KEPT) {
            return Err(Error::TooMany { max: counted * READ_FOR_KEPT });
        }
        let own_time = sample.timestamp.filter(|_| job.honor_timestamps);
        let tracked = own_time.is_none() || job.track_timestamps_staleness;
        let key = round.key(sample.series, answer.format);
        let place = match round.find(key, tracked) {
            Found::First(Place::Id(DROPPED)) | Found::Again(Place::Id(DROPPED)) => continue,
            Found::First(place) => place,
            Found::Again(Place::Fresh(n)) if !pending.is_kept(n) => continue,
            Found::Again(_) if own_time.is_none() => {
                counts.kept += 1;
                counts.duplicates += 1;
                continue;
            }
            Found::Again(place) => place,
            Found::Unknown if counts.kept >= max => {
                // The scrape has failed; the rest is only counted.
                counts.kept += usize::from(labels::stored(&sample.pairs()?, answer.target, job)?.is_some());
                continue;
            }
            Found::Unknown => {
                let stored = labels::stored(&sample.pairs()?, answer.target, job)?;
                let n = round.add(key, stored.is_some(), tracked);
                if !pending.add(stored) {
                    continue;
                }
                Place::Fresh(n)
            }
        };
        counts.kept += 1;
        if counts.kept > max {
            continue;
        }
        let id = match place {
            Place::Id(id) => id,
            Place::Fresh(n) => {
                pending.waiting.push((samples.len() as u32, n));
                DROPPED
            }
        };
        samples.push((id, own_time.unwrap_or(answer.at), sample.value));
    }
    counts.native_skipped = parser.native_histograms_skipped();
    if counts.kept > max {
        return Err(Error::Samples { found: counts.kept, max });
    }
    counts.added = pending.labels.len();
    for (n, id) in pending.numbers().zip(make(&pending.labels)) {
        if let Some(id) = id {
            round.resolve(n, id);
            pending.ids[n as usize] = Some(id);
        }
    }
    for &(at, n) in &pending.waiting {
        if let Some(id) = pending.ids[n as usize] {
            samples[at as usize].0 = id;
        }
    }
    if !pending.waiting.is_empty() {
        samples.retain(|(id, ..)| *id != DROPPED);
    }
    let missing = round.finish();
    Ok(Absorbed { samples, missing, counts: *counts })
}

/// Series that are new in a scrape, until its end.
#[derive(Default)]
struct Pending {
    /// Those that are kept.
    labels: Vec<Labels>,
    /// By number in the round: whether it is kept.
    kept: Vec<bool>,
    /// By number in the round.
    ids: Vec<Option<SeriesId>>,
    /// Which sample waits for the id of which series.
    waiting: Vec<(u32, u32)>,
}

impl Pending {
    fn add(&mut self, stored: Option<Labels>) -> bool {
        self.kept.push(stored.is_some());
        self.ids.push(None);
        let kept = stored.is_some();
        self.labels.extend(stored);
        kept
    }

    fn is_kept(&self, n: u32) -> bool {
        self.kept.get(n as usize).is_some_and(|kept| *kept)
    }

    /// The numbers of those kept, in the order of `labels`.
    fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        let kept: Vec<u32> = (0..).zip(&self.kept).filter(|(_, kept)| **kept).map(|(n, _)| n).collect();
        kept.into_iter()
    }
}

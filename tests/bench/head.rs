//! The sample head in numbers: `cargo bench -p botwatch-core --bench head [SERIES]…`. The figures to compare with are
//! in spec/spikes.md part A: bytes a series with full chunks left out, bytes a sample by kind, commits, selections.

#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

mod workload;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    hint::black_box,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::Instant,
};

use botwatch_core::{
    model::{Labels, MatchOp, Matcher, Sources, Timestamp},
    promql::SelectHints,
    tsdb::{CHUNK_SAMPLES, ChunkReader, ChunkWriter, Commit, Head, Options, SeriesId, Visibility},
};
use workload::{KINDS, Kind, Random, Values, kind_of, labels};

/// Counts the bytes of all live blocks, with the allocator's 8 bytes for each.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "a global allocator that counts; hands everything on unchanged")]
// SAFETY: every call goes to the system's allocator with the arguments it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() + 8, Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() + 8, Relaxed);
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_add(size, Relaxed);
        LIVE.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const START: i64 = 1_790_000_000_000;
const STEP: i64 = 5000;
/// Two hours of samples every 5 s: the worst moment of a block.
const COMMITS: i64 = 1440;

fn main() {
    codec();
    let counts: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    for n in if counts.is_empty() { vec![2_000, 50_000] } else { counts } {
        head(n);
    }
}

fn codec() {
    println!("kind            B/sample  encode ns  decode ns   (on slots)   B/sample ±4 ms");
    let mut mix = [0.0; 2];
    for (kind, share) in KINDS {
        let regular = codec_of(kind, false);
        let jitter = codec_of(kind, true);
        let name = format!("{kind:?}");
        println!("{name:<16}{:8.2}{:11.0}{:11.0}{:30.2}", regular.0, regular.1, regular.2, jitter.0);
        mix[0] += regular.0 * share as f64 / 20.0;
        mix[1] += jitter.0 * share as f64 / 20.0;
    }
    println!("{:<16}{:8.2}{:52.2}\n", "mix", mix[0], mix[1]);
}

/// Bytes, encoding and decoding nanoseconds a sample.
fn codec_of(kind: Kind, jitter: bool) -> (f64, f64, f64) {
    const CHUNKS: usize = 500;
    let n = CHUNKS * CHUNK_SAMPLES;
    let (mut values, mut random) = (Values::new(kind, 1), Random::new(9));
    let off = |r: &mut Random| if jitter { r.below(9) as i64 - 4 } else { 0 };
    let t: Vec<i64> = (0..n as i64).map(|i| START + i * STEP + off(&mut random)).collect();
    let v: Vec<f64> = (0..n).map(|_| values.next()).collect();
    let (mut encode, mut decode, mut bytes) = (f64::MAX, f64::MAX, 0);
    for _ in 0..5 {
        let mut writer = ChunkWriter::default();
        let mut chunks: Vec<_> = (0..CHUNKS).map(|_| Vec::with_capacity(2048)).collect();
        let start = Instant::now();
        for (i, (t, v)) in t.chunks(16).zip(v.chunks(16)).enumerate() {
            writer.append(&mut chunks[i / 8], t, v);
        }
        encode = f64::min(encode, start.elapsed().as_nanos() as f64 / n as f64);
        bytes = chunks.iter().map(Vec::len).sum();
        let (mut ts, mut vs) = (Vec::with_capacity(n), Vec::with_capacity(n));
        let start = Instant::now();
        for chunk in &chunks {
            let reader = ChunkReader::new(chunk).expect("just written");
            reader.read(i64::MIN, i64::MAX, &mut ts, &mut vs).expect("just written");
        }
        decode = f64::min(decode, start.elapsed().as_nanos() as f64 / n as f64);
        assert!(ts == t && vs == v, "{kind:?}");
    }
    (bytes as f64 / n as f64, encode, decode)
}

fn head(n: usize) {
    let label_sets: Vec<Labels> =
        (0..n).map(|i| Labels::from_pairs(labels(i).iter().map(|(k, v)| (*k, v.as_str())))).collect();
    let mut values: Vec<Values> = (0..n).map(|i| Values::new(kind_of(i), i)).collect();
    let live = LIVE.load(Relaxed);
    let mut head = Head::new(Options { memory_max: 4 << 30, series_max: n, ..Options::default() });
    let source = head.source("bot");
    let start = Instant::now();
    let ids: Vec<SeriesId> =
        label_sets.iter().map(|l| head.series(l, &Sources::one(source)).expect("room")).collect();
    println!("{n} series made in {:.1} ms", start.elapsed().as_secs_f64() * 1e3);

    let mut commit = Commit { samples: Vec::with_capacity(n), sources: Vec::new() };
    let mut times = Vec::new();
    for i in 0..COMMITS {
        let now = Timestamp(START + i * STEP);
        commit.samples.clear();
        commit.samples.extend(ids.iter().zip(&mut values).map(|(&id, values)| (id, now, values.next())));
        commit.sources = vec![(source, Visibility::Seeing, now)];
        let start = Instant::now();
        let report = head.commit(&commit);
        times.push(start.elapsed().as_nanos() as f64 / 1e3);
        assert_eq!(report.appended, n as u64);
    }
    times.drain(..16);
    times.sort_by(f64::total_cmp);
    let at = |q: f64| times[((times.len() - 1) as f64 * q) as usize];
    println!("commit µs: p50 {:.0} p99 {:.0} max {:.0}", at(0.5), at(0.99), at(1.0));
    drop((commit, times));

    bytes(&head, n, LIVE.load(Relaxed) - live - n * (size_of::<SeriesId>()), &label_sets);
    selections(&head);
    println!();
}

/// What the allocator says and what the head says of itself.
fn bytes(head: &Head, n: usize, allocated: usize, label_sets: &[Labels]) {
    let m = head.memory();
    let each = |bytes: usize| bytes as f64 / n as f64;
    // The caller's label sets share their allocation with the head's.
    let allocated = allocated + label_sets.iter().map(|l| l.heap_bytes() + 8).sum::<usize>();
    println!(
        "B/series: labels {:.0} postings {:.0} index {:.0} series {:.0} open {:.0} = {:.0} (full chunks {:.0})",
        each(m.labels),
        each(m.postings),
        each(m.index),
        each(m.series),
        each(m.open_chunks),
        each(m.without_full_chunks()),
        each(m.full_chunks),
    );
    println!("allocator without full chunks: {:.0} B/series", each(allocated.saturating_sub(m.full_chunks)));
    let stats = head.stats();
    let full = m.full_chunks as f64 / stats.full_samples as f64;
    println!("full chunks {}, {full:.2} B/sample with record headers", stats.full_chunks);
}

fn selections(head: &Head) {
    let now = START + (COMMITS - 1) * STEP;
    let one = [Matcher::equal("__name__", "bot_metric_number_007")];
    let all = [Matcher::new("job", MatchOp::Regex, "b.t").expect("a pattern")];
    let newest = SelectHints { newest_only: true, ..SelectHints::default() };
    let time = |name: &str, matchers: &[Matcher], window: i64, hints: SelectHints| {
        let mut best = f64::MAX;
        let mut samples = 0;
        for _ in 0..7 {
            let start = Instant::now();
            let found =
                head.select(matchers, Timestamp(now - window), Timestamp(now), hints).expect("no limit");
            best = best.min(start.elapsed().as_secs_f64());
            samples = found.iter().map(|s| s.t.len()).sum();
            black_box(found);
        }
        println!(
            "select {name:<22}{:10.1} µs  {:6.1} ns/sample",
            best * 1e6,
            best * 1e9 / samples.max(1) as f64
        );
    };
    time("12 series newest", &one, 300_000, newest);
    time("12 series [1m]", &one, 60_000, SelectHints::default());
    time("12 series [5m]", &one, 300_000, SelectHints::default());
    time("12 series [1h]", &one, 3_600_000, SelectHints::default());
    time("all newest", &all, 300_000, newest);
    time("all [1m]", &all, 60_000, SelectHints::default());
    time("all [5m]", &all, 300_000, SelectHints::default());
    time("all [1h]", &all, 3_600_000, SelectHints::default());
}

use proptest::prelude::*;

use super::workload::{KINDS, Kind, Values, kind_of};
use super::*;

/// Encodes in blocks of the given sizes, round and round; a chunk each time one is full.
fn encode(samples: &[(i64, f64)], sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut writer = ChunkWriter::default();
    let (mut chunks, mut open, mut rest) = (Vec::new(), Vec::new(), samples);
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (block, after) = rest.split_at(size.min(rest.len()));
        rest = after;
        let (t, v): (Vec<i64>, Vec<f64>) = block.iter().copied().unzip();
        if writer.append(&mut open, &t, &v) {
            chunks.push(std::mem::take(&mut open));
        }
    }
    if !open.is_empty() {
        chunks.push(open);
    }
    chunks
}

fn decode(chunk: &[u8]) -> Result<Vec<(i64, u64)>, CorruptChunk> {
    let (mut t, mut v) = (Vec::new(), Vec::new());
    ChunkReader::new(chunk)?.read(i64::MIN, i64::MAX, &mut t, &mut v)?;
    Ok(t.into_iter().zip(v.into_iter().map(f64::to_bits)).collect())
}

fn bits(samples: &[(i64, f64)]) -> Vec<(i64, u64)> {
    samples.iter().map(|&(t, v)| (t, v.to_bits())).collect()
}

/// Values of every kind that a column may meet, mixed as they come.
fn value() -> impl Strategy<Value = f64> {
    let special = prop::sample::select(vec![
        0.0,
        -0.0,
        f64::NAN,
        stale_nan(),
        f64::INFINITY,
        f64::NEG_INFINITY,
        f64::MIN_POSITIVE,
        f64::MAX,
        9_007_199_254_740_991.0,
        9_007_199_254_740_992.0,
        -9_007_199_254_740_993.0,
        0.1 + 0.2,
        1.0 / 3.0,
        0.00005,
    ]);
    prop_oneof![
        4 => (-1000i64..1000).prop_map(|n| n as f64),
        4 => (any::<i32>(), 0..5).prop_map(|(n, e)| f64::from(n) / 10f64.powi(e)),
        2 => any::<u64>().prop_map(f64::from_bits),
        1 => any::<i64>().prop_map(|n| n as f64),
        1 => special,
    ]
}

/// Long runs of one kind, or a mixture.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let run = prop_oneof![
        prop::collection::vec(value(), 1..200),
        prop::collection::vec((0i64..50).prop_map(|n| n as f64), 1..200),
        (value(), 1..100usize).prop_map(|(v, n)| vec![v; n]),
        (0..5, prop::collection::vec(-500i32..500, 1..200)).prop_map(|(e, steps)| {
            let walk = steps.iter().scan(100_000, |at, s| {
                *at += s;
                Some(f64::from(*at) / 10f64.powi(e))
            });
            walk.collect()
        }),
    ];
    prop::collection::vec(run, 1..4).prop_map(|runs| runs.concat())
}

/// Ascending times: on a grid, near it, with gaps, or anywhere.
fn times(n: usize) -> impl Strategy<Value = Vec<i64>> {
    let step = prop_oneof![
        8 => Just(5000),
        2 => 4996i64..5005,
        1 => Just(15_000),
        1 => 1i64..100_000_000,
        1 => 1i64..(1 << 50),
    ];
    let start = prop_oneof![Just(1_790_000_000_000), any::<i32>().prop_map(i64::from), Just(i64::MIN)];
    (start, prop::collection::vec(step, n), any::<bool>()).prop_map(|(start, steps, regular)| {
        let times = steps.into_iter().scan(start, |t, step| {
            *t += if regular { 5000 } else { step };
            Some(*t)
        });
        times.collect()
    })
}

fn data() -> impl Strategy<Value = Vec<(i64, f64)>> {
    values()
        .prop_flat_map(|v| times(v.len()).prop_map(move |t| t.into_iter().zip(v.iter().copied()).collect()))
}

proptest! {
    #[test]
    fn what_is_read_is_what_was_written(data in data(), sizes in prop::collection::vec(1..=16usize, 1..4)) {
        let chunks = encode(&data, &sizes);
        let read: Vec<_> = chunks.iter().flat_map(|c| decode(c).unwrap()).collect();
        prop_assert_eq!(read, bits(&data));
    }

    #[test]
    fn a_window_is_a_part_of_the_whole(data in data(), a in 0..600usize, b in 0..600usize) {
        let at = |i: usize| data.get(i).map_or(i64::MAX, |s| s.0);
        let (after, until) = (at(a), at(b));
        for chunk in encode(&data, &[16]) {
            let (mut t, mut v) = (Vec::new(), Vec::new());
            ChunkReader::new(&chunk).unwrap().read(after, until, &mut t, &mut v).unwrap();
            let part: Vec<i64> = decode(&chunk).unwrap().into_iter().map(|s| s.0).filter(|&t| after < t && t <= until).collect();
            prop_assert_eq!(t, part);
        }
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        let mut likely = vec![1, 40];
        likely.extend(bytes);
        let _ = decode(&likely);
    }

    #[test]
    fn damage_never_panics_and_cuts_never_pass(data in data(), at in any::<prop::sample::Index>(), flip in 1..=255u8) {
        for chunk in encode(&data, &[16]) {
            for end in 0..chunk.len() {
                prop_assert!(decode(&chunk[..end]).is_err(), "cut at {} of {}", end, chunk.len());
            }
            let mut long = chunk.clone();
            long.push(flip);
            prop_assert_eq!(decode(&long), Err(CorruptChunk::Long));
            let mut damaged = chunk.clone();
            damaged[at.index(chunk.len())] ^= flip;
            if let Ok(read) = decode(&damaged) {
                prop_assert!(read.windows(2).all(|w| w[0].0 < w[1].0));
                prop_assert!(read.len() <= CHUNK_SAMPLES);
            }
        }
    }
}

#[test]
fn a_later_version_is_named() {
    assert_eq!(decode(&[2, 1, 0, 0]), Err(CorruptChunk::Version(2)));
    assert_eq!(decode(&[]), Err(CorruptChunk::Short));
}

fn bytes_per_sample(kind: Kind, jitter: bool) -> f64 {
    let (mut bytes, mut samples) = (0, 0);
    for n in 0..8 {
        let mut values = Values::new(kind, n);
        let mut random = workload::Random::new(n as u64);
        let data: Vec<(i64, f64)> = (0..1280)
            .map(|i| {
                let off = if jitter { random.below(9) as i64 - 4 } else { 0 };
                (1_790_000_000_000 + i * 5000 + off, values.next())
            })
            .collect();
        bytes += encode(&data, &[16]).iter().map(Vec::len).sum::<usize>();
        samples += data.len();
    }
    bytes as f64 / samples as f64
}

#[test]
fn a_bots_mix_takes_about_a_byte_a_sample() {
    let mix = |jitter| {
        let total: f64 =
            KINDS.iter().map(|&(kind, share)| bytes_per_sample(kind, jitter) * share as f64).sum();
        total / 20.0
    };
    assert!(mix(false) <= 1.15, "{}", mix(false));
    assert!(mix(true) <= 2.05, "{}", mix(true));
    for (kind, at_most) in [
        (Kind::Requests, 0.8),
        (Kind::Idle, 0.35),
        (Kind::Bytes, 2.4),
        (Kind::Gauge(2), 1.7),
        (Kind::Gauge(3), 1.7),
        (Kind::Gauge(4), 1.3),
        (Kind::Constant, 0.24),
        (Kind::Bucket, 0.55),
        (Kind::Full, 6.8),
    ] {
        let bytes = bytes_per_sample(kind, false);
        assert!(bytes <= at_most, "{kind:?}: {bytes}");
    }
    assert_eq!((0..20).filter(|&n| kind_of(n) == Kind::Requests).count(), 4, "the mix of the benchmark");
}

#[test]
fn a_gap_costs_one_block_a_few_bytes() {
    let size = |gap: i64| {
        let data: Vec<_> = (0..128).map(|i| (i * 5000 + if i < 64 { 0 } else { gap }, 1.0)).collect();
        encode(&data, &[16])[0].len()
    };
    assert!(size(3_600_000) <= size(0) + 6, "{} {}", size(3_600_000), size(0));
}

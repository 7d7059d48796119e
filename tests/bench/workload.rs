//! A bot's samples, made up but typical: what spec/spikes.md part A was measured on. Deterministic.

/// What kind of series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Requests served: a few more each time.
    Requests,
    /// A counter that seldom moves.
    Idle,
    /// Bytes sent.
    Bytes,
    /// A gauge walking at so many decimals.
    Gauge(u8),
    /// A number that never changes.
    Constant,
    /// A classic histogram's bucket.
    Bucket,
    /// A float with all its bits in use; not in the mix.
    Full,
}

/// All kinds with their share of the mix in twentieths.
pub(crate) const KINDS: [(Kind, usize); 9] = [
    (Kind::Requests, 4),
    (Kind::Idle, 2),
    (Kind::Bytes, 2),
    (Kind::Gauge(2), 3),
    (Kind::Gauge(3), 3),
    (Kind::Gauge(4), 2),
    (Kind::Constant, 2),
    (Kind::Bucket, 2),
    (Kind::Full, 0),
];

/// The kind of the `n`th series of the mix.
pub(crate) fn kind_of(n: usize) -> Kind {
    let mut at = n * 7 % 20;
    for (kind, share) in KINDS {
        if at < share {
            return kind;
        }
        at -= share;
    }
    Kind::Constant
}

/// A small generator of numbers (xorshift64*), so that every run sees the same.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// From any seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A whole number below `n`.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.bits() >> 11) % n
    }

    /// Between −1 and 1.
    pub(crate) fn signed(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    }
}

/// One series' next values.
#[derive(Debug, Clone)]
pub(crate) struct Values {
    kind: Kind,
    random: Random,
    last: f64,
}

impl Values {
    /// The `n`th series of a kind.
    pub(crate) fn new(kind: Kind, n: usize) -> Self {
        let mut random = Random::new(n as u64 + 1);
        let last = match kind {
            Kind::Gauge(_) | Kind::Full => 50.0 + random.below(400) as f64,
            Kind::Bytes => random.below(1 << 34) as f64,
            _ => random.below(100_000) as f64,
        };
        Self { kind, random, last }
    }

    /// The next one.
    pub(crate) fn next(&mut self) -> f64 {
        let r = &mut self.random;
        self.last += match self.kind {
            Kind::Requests => (r.below(8) + r.below(8)) as f64,
            Kind::Idle => f64::from(u8::from(r.below(20) == 0)),
            Kind::Bytes => (r.below(40_000)) as f64,
            Kind::Gauge(2) => r.signed() * 8.0,
            Kind::Gauge(3) => r.signed() * 0.8,
            Kind::Gauge(_) => r.signed() * 0.01,
            Kind::Constant => 0.0,
            Kind::Bucket => r.below(4) as f64 * f64::from(u8::from(r.below(3) == 0)),
            Kind::Full => r.signed(),
        };
        match self.kind {
            Kind::Gauge(decimals) => {
                let power = 10f64.powi(decimals.into());
                self.last = (self.last * power).round() / power;
                self.last
            }
            _ => self.last,
        }
    }
}

/// Eight labels with about 103 bytes of text.
pub(crate) fn labels(n: usize) -> [(&'static str, String); 8] {
    [
        ("__name__", format!("bot_metric_number_{:03}", n / 12)),
        ("instance", "127.0.0.1:3000".to_owned()),
        ("job", "bot".to_owned()),
        ("bot", "paper-one".to_owned()),
        ("exchange", ["kraken", "binance", "bitstamp"][n % 3].to_owned()),
        ("symbol", ["BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD"][n / 3 % 4].to_owned()),
        ("env", "prod".to_owned()),
        ("version", "1.4.2".to_owned()),
    ]
}

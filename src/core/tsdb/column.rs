//! The two columns of a mini-block: times as residuals against a period, values as decimal-scaled integers or,
//! where that isn't exact, as XORs.

use super::bits::{Reader, pack, put_varint, unzigzag, varint_len, width, zigzag};
use super::chunk::BLOCK_SAMPLES;

/// Powers of ten that a column's integers may be divided by.
const POWERS: [f64; EXPONENT_MAX as usize + 1] = [1.0, 1e1, 1e2, 1e3, 1e4];
/// The largest decimal exponent.
pub(super) const EXPONENT_MAX: u8 = 4;
/// Integers up to here are exact in a float.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// In the byte before packed integers: they are offsets from a smallest one, not zigzagged.
const OFFSETS: u8 = 0x80;
/// In the byte before packed residuals: a new period follows.
const NEW_PERIOD: u8 = 0x80;

type Scratch = [u64; BLOCK_SAMPLES];

/// The integer that, divided by `10^exponent`, gives exactly these bits; none for −0, NaN, infinities, and most
/// results of divisions.
pub(super) fn scaled(v: f64, exponent: u8) -> Option<i64> {
    let power = POWERS[exponent as usize];
    let x = v * power;
    if x.is_nan() || x.abs() >= EXACT_MAX {
        return None;
    }
    let n = (x + 0.5f64.copysign(x)) as i64;
    (unscaled(n, exponent).to_bits() == v.to_bits()).then_some(n)
}

fn unscaled(n: i64, exponent: u8) -> f64 {
    n as f64 / POWERS[exponent as usize]
}

/// Scales all values by the smallest exponent from `least` up that is exact for each of them; `numbers` gets them.
pub(super) fn scale_all(values: &[f64], least: u8, numbers: &mut [i64; BLOCK_SAMPLES]) -> Option<u8> {
    (least..=EXPONENT_MAX).find(|&exponent| {
        values.iter().zip(numbers.iter_mut()).all(|(&v, n)| match scaled(v, exponent) {
            Some(exact) => {
                *n = exact;
                true
            }
            None => false,
        })
    })
}

/// Integers as differences; the first one in full when there is none before it.
pub(super) fn put_integers(out: &mut Vec<u8>, numbers: &[i64], before: Option<i64>) {
    let (mut last, rest) = match (before, numbers.split_first()) {
        (None, Some((&first, rest))) => {
            put_varint(out, zigzag(first));
            (first, rest)
        }
        (before, _) => (before.unwrap_or_default(), numbers),
    };
    if rest.is_empty() {
        return;
    }
    let mut deltas = [0i64; BLOCK_SAMPLES];
    let deltas = &mut deltas[..rest.len()];
    for (delta, &n) in deltas.iter_mut().zip(rest) {
        *delta = n - last;
        last = n;
    }
    put_deltas(out, deltas);
}

/// Zigzag or offsets from the smallest, whichever is shorter.
fn put_deltas(out: &mut Vec<u8>, deltas: &[i64]) {
    let mut packed: Scratch = [0; BLOCK_SAMPLES];
    let packed = &mut packed[..deltas.len()];
    let (mut least, mut most, mut bits) = (i64::MAX, i64::MIN, 0);
    for &delta in deltas {
        least = least.min(delta);
        most = most.max(delta);
        bits |= zigzag(delta);
    }
    let (zigzag_width, offset_width) = (width(bits), width((most - least) as u64));
    let n = deltas.len() as u32;
    if offset_width * n + 8 * varint_len(zigzag(least)) < zigzag_width * n {
        packed.iter_mut().zip(deltas).for_each(|(p, &delta)| *p = (delta - least) as u64);
        out.push(offset_width as u8 | OFFSETS);
        put_varint(out, zigzag(least));
        pack(out, packed, offset_width);
    } else {
        packed.iter_mut().zip(deltas).for_each(|(p, &delta)| *p = zigzag(delta));
        out.push(zigzag_width as u8);
        pack(out, packed, zigzag_width);
    }
}

/// Reads what [`put_integers`] wrote into `values`.
pub(super) fn take_integers(
    from: &mut Reader<'_>,
    values: &mut [f64],
    exponent: u8,
    before: Option<i64>,
) -> Option<()> {
    let (mut last, rest) = match before {
        Some(before) => (before, values),
        None => {
            let first = unzigzag(from.varint()?);
            let (slot, rest) = values.split_first_mut()?;
            *slot = unscaled(first, exponent);
            (first, rest)
        }
    };
    if rest.is_empty() {
        return Some(());
    }
    let head = from.byte()?;
    let bits = u32::from(head & !OFFSETS);
    if bits > 64 {
        return None;
    }
    let mut packed: Scratch = [0; BLOCK_SAMPLES];
    let packed = packed.get_mut(..rest.len())?;
    let least = if head & OFFSETS == 0 { None } else { Some(unzigzag(from.varint()?)) };
    from.unpack(packed, bits)?;
    for (slot, &p) in rest.iter_mut().zip(&*packed) {
        let delta = least.map_or_else(|| unzigzag(p), |least| least.wrapping_add(p as i64));
        last = last.wrapping_add(delta);
        *slot = unscaled(last, exponent);
    }
    Some(())
}

/// Each value XORed with the one before it, all in one window of bits; the first in full when there is none before.
pub(super) fn put_xors(out: &mut Vec<u8>, values: &[f64], before: Option<u64>) {
    let (mut last, rest) = match (before, values.split_first()) {
        (None, Some((first, rest))) => {
            out.extend_from_slice(&first.to_bits().to_le_bytes());
            (first.to_bits(), rest)
        }
        (before, _) => (before.unwrap_or_default(), values),
    };
    if rest.is_empty() {
        return;
    }
    let mut xors: Scratch = [0; BLOCK_SAMPLES];
    let xors = &mut xors[..rest.len()];
    let mut all = 0;
    for (xor, v) in xors.iter_mut().zip(rest) {
        *xor = v.to_bits() ^ last;
        last = v.to_bits();
        all |= *xor;
    }
    if all == 0 {
        out.push(0);
        return;
    }
    let shift = all.trailing_zeros();
    let bits = width(all >> shift);
    for xor in &mut *xors {
        *xor >>= shift;
    }
    out.push(bits as u8);
    out.push(shift as u8);
    pack(out, xors, bits);
}

/// Reads what [`put_xors`] wrote.
pub(super) fn take_xors(from: &mut Reader<'_>, values: &mut [f64], before: Option<u64>) -> Option<()> {
    let (mut last, rest) = match before {
        Some(before) => (before, values),
        None => {
            let first = from.u64()?;
            let (slot, rest) = values.split_first_mut()?;
            *slot = f64::from_bits(first);
            (first, rest)
        }
    };
    if rest.is_empty() {
        return Some(());
    }
    let bits = u32::from(from.byte()?);
    let shift = if bits == 0 { 0 } else { u32::from(from.byte()?) };
    if bits + shift > 64 {
        return None;
    }
    let mut xors: Scratch = [0; BLOCK_SAMPLES];
    let xors = xors.get_mut(..rest.len())?;
    from.unpack(xors, bits)?;
    for (slot, &xor) in rest.iter_mut().zip(&*xors) {
        last ^= xor << shift;
        *slot = f64::from_bits(last);
    }
    Some(())
}

/// The grid that times are measured against: the next time expected, and the step from there on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Grid {
    pub(super) next: i64,
    pub(super) period: u32,
}

impl Grid {
    /// Whether all times lie on it.
    pub(super) fn fits(self, times: &[i64]) -> bool {
        times.iter().enumerate().all(|(i, &t)| t == self.slot(i))
    }

    fn slot(self, i: usize) -> i64 {
        self.next.wrapping_add(i as i64 * i64::from(self.period))
    }

    /// The grid after a block that ended at `last`.
    pub(super) const fn after(self, last: i64) -> Self {
        Self { next: last.wrapping_add(self.period as i64), period: self.period }
    }

    /// The middle one of the steps between these times; `None` when there is no step, or none that fits.
    pub(super) fn middle_step(times: &[i64]) -> Option<u32> {
        let mut steps = [0i64; BLOCK_SAMPLES];
        let steps = &mut steps[..times.len().saturating_sub(1)];
        steps.iter_mut().zip(times.windows(2)).for_each(|(step, w)| *step = w[1].wrapping_sub(w[0]));
        steps.sort_unstable();
        u32::try_from(*steps.get(steps.len() / 2)?).ok()
    }

    /// Writes times off the grid; the grid's period may change for what comes after.
    pub(super) fn put(&mut self, out: &mut Vec<u8>, times: &[i64]) {
        let kept = Residuals::of(*self, times);
        let other = Self::middle_step(times)
            .filter(|step| *step != self.period)
            .map(|period| Self { next: self.next, period })
            .map(|grid| (grid, Residuals::of(grid, times)));
        let n = times.len() as u32;
        match other {
            Some((grid, moved)) if moved.bits(n) + 8 * varint_len(u64::from(grid.period)) < kept.bits(n) => {
                *self = grid;
                out.push(moved.width as u8 | NEW_PERIOD);
                put_varint(out, u64::from(grid.period));
                moved.put(out, n);
            }
            _ => {
                out.push(kept.width as u8);
                kept.put(out, n);
            }
        }
    }

    /// Reads what [`Self::put`] wrote.
    pub(super) fn take(&mut self, from: &mut Reader<'_>, times: &mut [i64]) -> Option<()> {
        let head = from.byte()?;
        let bits = u32::from(head & !NEW_PERIOD);
        if bits > 64 {
            return None;
        }
        if head & NEW_PERIOD != 0 {
            self.period = u32::try_from(from.varint()?).ok()?;
        }
        let least = unzigzag(from.varint()?);
        let mut packed: Scratch = [0; BLOCK_SAMPLES];
        let packed = packed.get_mut(..times.len())?;
        from.unpack(packed, bits)?;
        for (i, (slot, &p)) in times.iter_mut().zip(&*packed).enumerate() {
            *slot = self.slot(i).wrapping_add(least.wrapping_add(p as i64));
        }
        Some(())
    }

    /// Fills in times that lie on the grid.
    pub(super) fn fill(self, times: &mut [i64]) {
        times.iter_mut().enumerate().for_each(|(i, t)| *t = self.slot(i));
    }
}

/// How far times lie behind their slots. Sums wrap, which makes every time representable.
struct Residuals {
    least: i64,
    width: u32,
    offsets: Scratch,
}

impl Residuals {
    fn of(grid: Grid, times: &[i64]) -> Self {
        let residual = |i: usize, t: i64| t.wrapping_sub(grid.slot(i));
        let least = times.iter().enumerate().map(|(i, &t)| residual(i, t)).min().unwrap_or_default();
        let mut offsets = [0; BLOCK_SAMPLES];
        let mut all = 0;
        for (i, (offset, &t)) in offsets.iter_mut().zip(times).enumerate() {
            *offset = residual(i, t).wrapping_sub(least) as u64;
            all |= *offset;
        }
        Self { least, width: width(all), offsets }
    }

    const fn bits(&self, n: u32) -> u32 {
        self.width * n + 8 * varint_len(zigzag(self.least))
    }

    fn put(&self, out: &mut Vec<u8>, n: u32) {
        put_varint(out, zigzag(self.least));
        pack(out, &self.offsets[..n as usize], self.width);
    }
}

//! Sums that don't lose small values beside large ones: Neumaier's compensation, as Prometheus has it.

/// A running sum.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::promql::eval) struct Sum {
    sum: f64,
    compensation: f64,
}

impl Sum {
    pub(in crate::promql::eval) fn add(&mut self, v: f64) {
        let t = self.sum + v;
        if t.is_infinite() {
            self.compensation = 0.0;
        } else if self.sum.abs() >= v.abs() {
            self.compensation += (self.sum - t) + v;
        } else {
            self.compensation += (v - t) + self.sum;
        }
        self.sum = t;
    }

    pub(in crate::promql::eval) fn value(self) -> f64 {
        if self.sum.is_infinite() { self.sum } else { self.sum + self.compensation }
    }
}

impl FromIterator<f64> for Sum {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sum = Self::default();
        values.into_iter().for_each(|v| sum.add(v));
        sum
    }
}

/// The mean; where the sum overflows, computed incrementally instead.
pub(in crate::promql::eval) fn average(values: impl Iterator<Item = f64>) -> f64 {
    let (mut sum, mut n, mut mean, mut incremental) = (Sum::default(), 0.0, Sum::default(), false);
    for v in values {
        n += 1.0;
        if !incremental {
            let mut next = sum;
            next.add(v);
            if n == 1.0 || !next.sum.is_infinite() {
                sum = next;
                continue;
            }
            incremental = true;
            mean = Sum { sum: sum.sum / (n - 1.0), compensation: sum.compensation / (n - 1.0) };
        }
        let share = (n - 1.0) / n;
        mean.sum *= share;
        mean.compensation *= share;
        mean.add(v / n);
    }
    if incremental { mean.value() } else { sum.value_over(n) }
}

impl Sum {
    fn value_over(self, n: f64) -> f64 {
        if self.sum.is_infinite() { self.sum / n } else { self.sum / n + self.compensation / n }
    }
}

/// Population variance (Welford, compensated).
pub(in crate::promql::eval) fn variance(values: impl Iterator<Item = f64>) -> f64 {
    let (mut n, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for v in values {
        n += 1.0;
        let delta = v - mean.value();
        mean.add(delta / n);
        squares.add(delta * (v - mean.value()));
    }
    squares.value() / n
}

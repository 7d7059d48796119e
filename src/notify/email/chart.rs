//! The value against its threshold, as a picture. Pure.
//!
//! A light card with dark ink: mail clients in dark mode leave pictures alone, so it must bring its own ground.

use botwatch_core::model::Timestamp;

use super::{font, png};
use crate::notify::Course;

type Rgb = [u8; 3];
const GROUND: Rgb = [248, 250, 252];
const GRID: Rgb = [226, 232, 240];
const INK: Rgb = [71, 85, 105];
const LINE: Rgb = [37, 99, 235];
const LIMIT: Rgb = [220, 38, 38];
const BREACH: Rgb = [254, 202, 202];

/// Shades between ground and ink; more are not seen and cost bytes.
const SHADES: f32 = 15.0;
/// A hole in the points of so many usual steps breaks the line.
const GAP: i64 = 3;
/// Digits that a label may have beyond the usual ones to differ from its neighbours.
const DIGITS_MORE: usize = 4;

/// How large, in pixels of a screen, and how many pixels of the picture each has.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) density: usize,
}

impl Size {
    /// As the built-in template shows it, sharp on good screens.
    pub(super) const EMAIL: Self = Self { width: 536, height: 180, density: 2 };
}

/// Draws a chart as a PNG; `None` if there is nothing to draw.
pub(super) fn chart(course: &Course, size: Size) -> Option<Vec<u8>> {
    let points: Vec<_> = course.points.iter().copied().filter(|(_, v)| v.is_finite()).collect();
    let scale = Scale::new(&points, course.threshold.filter(|t| t.is_finite()), size)?;
    let mut canvas = Canvas::new(size);
    axes(&mut canvas, &scale);
    caption(&mut canvas, course, &scale);
    let runs = runs(&points, &scale);
    if let Some(limit) = scale.threshold {
        breach(&mut canvas, &runs, scale.y(limit), course.comparison, size.density as f32);
    }
    threshold(&mut canvas, &scale);
    let strokes: Vec<_> = runs
        .iter()
        .flat_map(|run| {
            let lone = (run.len() == 1).then(|| (run[0], run[0]));
            lone.into_iter().chain(run.windows(2).map(|w| (w[0], w[1])))
        })
        .collect();
    canvas.strokes(&strokes, 1.0 * size.density as f32, LINE);
    if let Some(last) = runs.last().and_then(|run| run.last()) {
        canvas.strokes(&[(*last, *last)], 2.5 * size.density as f32, LINE);
    }
    Some(png::encode(canvas.width, canvas.height, &canvas.palette, &canvas.pixels))
}

/// Where values and times lie on the picture, in its own pixels.
struct Scale {
    left: f32,
    right: f32,
    top: f32,
    bottom: f32,
    from: Timestamp,
    until: Timestamp,
    /// Lowest and highest value seen.
    seen: (f64, f64),
    low: f64,
    high: f64,
    threshold: Option<f64>,
    unit: f32,
}

impl Scale {
    fn new(points: &[(Timestamp, f64)], threshold: Option<f64>, size: Size) -> Option<Self> {
        let (first, last) = (points.first()?, points.last()?);
        let fold = |start: f64, f: fn(f64, f64) -> f64| points.iter().map(|p| p.1).fold(start, f);
        let seen = (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max));
        let (low, high) = threshold.map_or(seen, |t| (seen.0.min(t), seen.1.max(t)));
        // Halves first: the whole difference may overflow.
        let half = high / 2.0 - low / 2.0;
        let room = if half > 0.0 { half * 0.2 } else { (low.abs() * 0.1).max(f64::MIN_POSITIVE.max(0.5)) };
        let unit = size.density as f32;
        Some(Self {
            left: 58.0 * unit,
            right: (size.width as f32 - 14.0) * unit,
            top: 34.0 * unit,
            bottom: (size.height as f32 - 26.0) * unit,
            from: first.0,
            until: last.0,
            seen,
            low: (low - room).max(f64::MIN),
            high: (high + room).min(f64::MAX),
            threshold,
            unit,
        })
    }

    fn x(&self, t: Timestamp) -> f32 {
        let whole = self.until.since(self.from).as_millis().max(1) as f64;
        let part = t.since(self.from).as_millis() as f64 / whole;
        let part = if self.until == self.from { 1.0 } else { part.clamp(0.0, 1.0) };
        self.left + part as f32 * (self.right - self.left)
    }

    fn y(&self, v: f64) -> f32 {
        let part = (v / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        self.bottom - part.clamp(0.0, 1.0) as f32 * (self.bottom - self.top)
    }
}

type Point = (f32, f32);

/// The points as lines, broken at gaps. A state that is 0 or 1 has no values in between: its line goes in steps.
fn runs(points: &[(Timestamp, f64)], scale: &Scale) -> Vec<Vec<Point>> {
    let steps_only = points.iter().all(|(_, v)| *v == 0.0 || *v == 1.0);
    let mut steps: Vec<i64> = points.windows(2).map(|w| w[1].0.since(w[0].0).as_millis()).collect();
    steps.sort_unstable();
    let gap = steps.get(steps.len() / 2).map_or(i64::MAX, |step| step.saturating_mul(GAP).max(1));
    let mut runs: Vec<Vec<Point>> = Vec::new();
    let mut before: Option<Timestamp> = None;
    for (t, v) in points {
        let joined = before.is_some_and(|b| t.since(b).as_millis() <= gap);
        let point = (scale.x(*t), scale.y(*v));
        match runs.last_mut() {
            Some(run) if joined => {
                if let Some(last) = run.last().filter(|last| steps_only && last.1 != point.1) {
                    let corner = (point.0, last.1);
                    run.push(corner);
                }
                run.push(point);
            }
            _ => runs.push(vec![point]),
        }
        before = Some(*t);
    }
    runs
}

fn axes(canvas: &mut Canvas, scale: &Scale) {
    let (unit, text) = (scale.unit, 0.95 * scale.unit);
    for v in [scale.seen.0, scale.seen.1] {
        canvas.rect((scale.left, scale.y(v) - unit / 2.0), (scale.right, scale.y(v) + unit / 2.0), GRID);
    }
    canvas.rect((scale.left, scale.bottom), (scale.right, scale.bottom + unit), GRID);
    // Labels that would run into each other give way to the threshold's, then to the highest value's.
    let mut taken: Vec<f32> = Vec::new();
    let labels = [(scale.threshold, LIMIT), (Some(scale.seen.1), INK), (Some(scale.seen.0), INK)];
    let labels: Vec<(f64, Rgb)> = labels.into_iter().filter_map(|(v, c)| Some((v?, c))).collect();
    let texts = numbers(&labels.iter().map(|(v, _)| *v).collect::<Vec<_>>());
    for ((v, colour), label) in labels.into_iter().zip(texts) {
        let y = scale.y(v);
        if taken.iter().all(|other| (other - y).abs() >= 11.0 * unit) {
            taken.push(y);
            let x = scale.left - 6.0 * unit - text_width(&label, text);
            canvas.text(&label, (x, y - 3.0 * text), text, colour);
        }
    }
    let y = scale.bottom + 8.0 * unit;
    let middle = Timestamp(scale.from.0 + scale.until.since(scale.from).as_millis() / 2);
    let end = format!("{} UTC", clock(scale.until));
    if scale.from != scale.until {
        canvas.text(&clock(scale.from), (scale.left, y), text, INK);
        let label = clock(middle);
        let x = (scale.left + scale.right - text_width(&label, text)) / 2.0;
        canvas.text(&label, (x, y), text, INK);
    }
    canvas.text(&end, (scale.right - text_width(&end, text), y), text, INK);
}

/// What is drawn, and the last value.
fn caption(canvas: &mut Canvas, course: &Course, scale: &Scale) {
    let (unit, size) = (scale.unit, 1.1 * scale.unit);
    let last = course.points.iter().rev().find(|p| p.1.is_finite()).map_or_else(String::new, |p| number(p.1));
    let now = match scale.threshold {
        Some(limit) => format!("{last} now, alerts {} {}", course.comparison, number(limit)),
        None => format!("{last} now"),
    };
    let x = scale.right - text_width(&now, size);
    let room = ((x - 14.0 * unit) / (font::ADVANCE as f32 * size)) as usize;
    let expr = course.expr.split_whitespace().collect::<Vec<_>>().join(" ");
    let expr = if expr.chars().count() > room.saturating_sub(2) {
        expr.chars().take(room.saturating_sub(5)).chain("...".chars()).collect()
    } else {
        expr
    };
    canvas.text(&expr, (12.0 * unit, 11.0 * unit), size, INK);
    canvas.text(&now, (x, 11.0 * unit), size, INK);
}

fn threshold(canvas: &mut Canvas, scale: &Scale) {
    let Some(limit) = scale.threshold else { return };
    let (y, unit) = (scale.y(limit), scale.unit);
    let mut x = scale.left;
    while x < scale.right {
        let end = (x + 5.0 * unit).min(scale.right);
        canvas.rect((x, y - 0.75 * unit), (end, y + 0.75 * unit), LIMIT);
        x += 8.0 * unit;
    }
}

/// Tints what lies beyond the threshold.
fn breach(canvas: &mut Canvas, runs: &[Vec<Point>], limit: f32, comparison: &str, unit: f32) {
    let above = comparison.starts_with('>');
    if !above && !comparison.starts_with('<') {
        return;
    }
    for (a, b) in runs.iter().flat_map(|run| run.windows(2).map(|w| (w[0], w[1]))) {
        let (from, to) = (a.0.ceil().max(0.0) as usize, b.0.ceil().max(0.0) as usize);
        for x in from..to {
            let part = (x as f32 - a.0) / (b.0 - a.0).max(f32::EPSILON);
            let y = a.1 + (b.1 - a.1) * part;
            if (y < limit - unit / 2.0) == above && (y - limit).abs() > unit / 2.0 {
                let (top, end) = if above { (y, limit) } else { (limit, y) };
                canvas.rect((x as f32, top), (x as f32 + 1.0, end), BREACH);
            }
        }
    }
}

/// Values as texts that differ where the values do, as short as that allows.
fn numbers(values: &[f64]) -> Vec<String> {
    let texts = |more| -> Vec<String> { values.iter().map(|v| precise(*v, more)).collect() };
    let pairs = || (0..values.len()).flat_map(|i| (0..i).map(move |j| (i, j)));
    let differ = |texts: &[String]| pairs().all(|(i, j)| texts[i] != texts[j] || values[i] == values[j]);
    (0..DIGITS_MORE).map(texts).find(|t| differ(t)).unwrap_or_else(|| texts(DIGITS_MORE))
}

/// A value in at most seven characters or so.
fn number(v: f64) -> String {
    precise(v, 0)
}

fn precise(v: f64, more: usize) -> String {
    let size = v.abs();
    let plain = |v: f64, unit: &str| {
        let digits = match v.abs() {
            s if s >= 100.0 => 0,
            s if s >= 10.0 => 1,
            s if s >= 1.0 => 2,
            _ => 3,
        };
        let digits = digits + more;
        let text = format!("{v:.digits$}");
        let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
        format!("{}{unit}", if text == "-0" { "0" } else { text })
    };
    match size {
        0.0 => "0".to_owned(),
        s if !(0.001..1e15).contains(&s) => format!("{v:.*e}", 1 + more),
        s if s >= 1e12 => plain(v / 1e12, "T"),
        s if s >= 1e9 => plain(v / 1e9, "G"),
        s if s >= 1e6 => plain(v / 1e6, "M"),
        s if s >= 1e4 => plain(v / 1e3, "k"),
        _ => plain(v, ""),
    }
}

/// `03:05`, UTC.
fn clock(t: Timestamp) -> String {
    let minutes = t.0.div_euclid(60_000).rem_euclid(24 * 60);
    format!("{:02}:{:02}", minutes / 60, minutes % 60)
}

/// Width of a text whose dots are `size` pixels apart.
fn text_width(text: &str, size: f32) -> f32 {
    (text.chars().count() * font::ADVANCE).saturating_sub(1) as f32 * size
}

/// Pixels as indices of a palette that grows as colours are mixed.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
    palette: Vec<Rgb>,
}

impl Canvas {
    fn new(size: Size) -> Self {
        let (width, height) = (size.width * size.density, size.height * size.density);
        Self { width, height, pixels: vec![0; width * height], palette: vec![GROUND] }
    }

    /// Lays ink over a pixel; `cover` from 0 to 1.
    fn blend(&mut self, x: usize, y: usize, ink: Rgb, cover: f32) {
        let cover = (cover.clamp(0.0, 1.0) * SHADES).round() / SHADES;
        let at = y * self.width + x;
        if cover == 0.0 || x >= self.width || y >= self.height {
            return;
        }
        let under = self.palette[usize::from(self.pixels[at])];
        let mixed = std::array::from_fn(|i| {
            (f32::from(under[i]) + (f32::from(ink[i]) - f32::from(under[i])) * cover).round() as u8
        });
        self.pixels[at] = self.index(mixed);
    }

    /// A colour's index; the nearest one when the palette is full.
    fn index(&mut self, colour: Rgb) -> u8 {
        let distance =
            |c: &Rgb| -> u32 { c.iter().zip(colour).map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum() };
        let nearest = (0..self.palette.len()).min_by_key(|i| distance(&self.palette[*i])).unwrap_or(0);
        if self.palette.len() < 256 && self.palette[nearest] != colour {
            self.palette.push(colour);
            return (self.palette.len() - 1) as u8;
        }
        nearest as u8
    }

    /// A rectangle with soft edges where they lie between pixels.
    fn rect(&mut self, (x0, y0): Point, (x1, y1): Point, ink: Rgb) {
        let inside =
            |from: f32, to: f32, at: usize| (to.min(at as f32 + 1.0) - from.max(at as f32)).clamp(0.0, 1.0);
        for y in y0.max(0.0) as usize..(y1.ceil().max(0.0) as usize).min(self.height) {
            for x in x0.max(0.0) as usize..(x1.ceil().max(0.0) as usize).min(self.width) {
                self.blend(x, y, ink, inside(x0, x1, x) * inside(y0, y1, y));
            }
        }
    }

    /// Strokes with round ends, `radius` to each side. Where they overlap, ink is laid once.
    fn strokes(&mut self, strokes: &[(Point, Point)], radius: f32, ink: Rgb) {
        let reach = radius + 1.0;
        let bound = |f: fn(f32, f32) -> f32, start: f32, of: fn(&Point) -> f32| {
            strokes.iter().flat_map(|(a, b)| [of(a), of(b)]).fold(start, f)
        };
        let low = |of: fn(&Point) -> f32| (bound(f32::min, f32::INFINITY, of) - reach).max(0.0) as usize;
        let high = |of: fn(&Point) -> f32, max: usize| {
            ((bound(f32::max, 0.0, of) + reach).ceil().max(0.0) as usize).min(max)
        };
        let (left, top) = (low(|p| p.0), low(|p| p.1));
        let (right, bottom) = (high(|p| p.0, self.width), high(|p| p.1, self.height));
        if left >= right || top >= bottom {
            return;
        }
        let wide = right - left;
        let mut cover = vec![0u8; wide * (bottom - top)];
        for (a, b) in strokes {
            let xs = (a.0.min(b.0) - reach).max(left as f32) as usize
                ..((a.0.max(b.0) + reach) as usize + 1).min(right);
            for y in (a.1.min(b.1) - reach).max(top as f32) as usize
                ..((a.1.max(b.1) + reach) as usize + 1).min(bottom)
            {
                for x in xs.clone() {
                    let away = distance((x as f32 + 0.5, y as f32 + 0.5), *a, *b);
                    let here = ((radius + 0.5 - away).clamp(0.0, 1.0) * 255.0) as u8;
                    let cell = &mut cover[(y - top) * wide + (x - left)];
                    *cell = (*cell).max(here);
                }
            }
        }
        for (i, here) in cover.iter().enumerate().filter(|(_, here)| **here > 0) {
            self.blend(left + i % wide, top + i / wide, ink, f32::from(*here) / 255.0);
        }
    }

    /// A line of text; dots are `size` pixels apart.
    fn text(&mut self, text: &str, (x, y): Point, size: f32, ink: Rgb) {
        for (i, c) in text.chars().enumerate() {
            let left = x + (i * font::ADVANCE) as f32 * size;
            let place = |(dx, dy): (usize, usize)| (left + dx as f32 * size, y + dy as f32 * size);
            let strokes: Vec<_> = font::strokes(c).into_iter().map(|(a, b)| (place(a), place(b))).collect();
            self.strokes(&strokes, 0.42 * size, ink);
        }
    }
}

/// From a point to a stretch of line.
fn distance(p: Point, a: Point, b: Point) -> f32 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let long = dx * dx + dy * dy;
    let part = if long > 0.0 { (((p.0 - a.0) * dx + (p.1 - a.1) * dy) / long).clamp(0.0, 1.0) } else { 0.0 };
    (p.0 - a.0 - part * dx).hypot(p.1 - a.1 - part * dy)
}

#[cfg(test)]
mod tests {
    use super::{clock, number, numbers};
    use botwatch_core::model::Timestamp;

    #[test]
    fn numbers_are_short() {
        for (v, expected) in [
            (0.0, "0"),
            (0.914_2, "0.914"),
            (1.5, "1.5"),
            (2000.0, "2000"),
            (12_345.0, "12.3k"),
            (512e6, "512M"),
            (1.25e9, "1.25G"),
            (3e12, "3T"),
            (-0.5, "-0.5"),
            (-98.76, "-98.8"),
            (1e-9, "1.0e-9"),
            (1e300, "1.0e300"),
            (100.0, "100"),
        ] {
            assert_eq!(number(v), expected);
        }
    }

    #[test]
    fn labels_differ_where_values_do() {
        assert_eq!(numbers(&[2000.0, 2000.4, 2000.1]), ["2000", "2000.4", "2000.1"]);
        assert_eq!(numbers(&[90.0, 90.0]), ["90", "90"]);
        assert_eq!(numbers(&[10_000.0, 10_040.0]), ["10k", "10.04k"]);
        assert_eq!(numbers(&[1.0, 1.0 + 1e-12]), ["1", "1"]);
    }

    #[test]
    fn clocks_are_utc() {
        assert_eq!(clock(Timestamp(1_763_953_500_000)), "03:05");
        assert_eq!(clock(Timestamp(-60_000)), "23:59");
    }
}

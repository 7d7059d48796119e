use botwatch_core::model::Timestamp;

use super::NOW;
use crate::notify::{
    Course,
    email::chart::{Size, chart},
};

/// A memory leak over an hour, 15 s apart, with a hole in it.
pub(super) fn leak() -> Course {
    let points = (0..=240i64).filter(|i| !(80..100).contains(i)).map(|i| {
        let wave = (i as f64 / 9.0).sin() * 0.012;
        (Timestamp(NOW.0 - (240 - i) * 15_000), 0.55 + i as f64 * 0.0016 + wave)
    });
    Course {
        points: points.collect(),
        threshold: Some(0.85),
        comparison: ">",
        expr: "process_resident_memory_bytes / botwatch_memory_limit_bytes".into(),
    }
}

struct Picture {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Picture {
    fn decode(png: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(std::io::Cursor::new(png));
        decoder.set_transformations(png::Transformations::EXPAND);
        let mut reader = decoder.read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        assert_eq!(info.color_type, png::ColorType::Rgb);
        Self { width: info.width as usize, height: info.height as usize, pixels }
    }

    fn at(&self, x: usize, y: usize) -> [u8; 3] {
        let at = (y * self.width + x) * 3;
        self.pixels[at..at + 3].try_into().unwrap()
    }

    /// How many pixels of a column have the colour.
    fn count(&self, x: usize, colour: [u8; 3]) -> usize {
        (0..self.height).filter(|y| self.at(x, *y) == colour).count()
    }

    fn rows(&self, x: usize, colour: [u8; 3]) -> Vec<usize> {
        (0..self.height).filter(|y| self.at(x, *y) == colour).collect()
    }
}

const LINE: [u8; 3] = [37, 99, 235];
const LIMIT: [u8; 3] = [220, 38, 38];
const BREACH: [u8; 3] = [254, 202, 202];

#[test]
fn a_leak_is_drawn() {
    let png = chart(&leak(), Size::EMAIL).unwrap();
    assert!(png.len() < 20_000, "{} bytes", png.len());
    let picture = Picture::decode(&png);
    assert_eq!((picture.width, picture.height), (1072, 360));
    let (left, right) = (116, 1072 - 28);
    let x = |part: f64| left + (part * (right - left) as f64) as usize;
    // The line rises: it is below the threshold early and above it at the end, tinted there and only there.
    let limit = picture.rows(left + 3, LIMIT)[0];
    let (early, late) = (picture.rows(x(0.2), LINE), picture.rows(x(0.95), LINE));
    assert!(early[0] > limit + 20, "{early:?} {limit}");
    assert!(late[0] < limit, "{late:?} {limit}");
    assert_eq!(picture.count(x(0.2), BREACH), 0);
    assert!(picture.count(x(0.95), BREACH) > 3);
    // Nothing is drawn in the hole, and the line is as thick as it should be beside it.
    assert_eq!(picture.count(x(0.37), LINE), 0);
    assert!(picture.count(x(0.5), LINE) >= 1);
    // Soft edges: shades between ground and line.
    assert!((0..picture.height).any(|y| {
        let [r, g, b] = picture.at(x(0.2), y);
        b > 235 && r > 60 && r < 230 && g > 110
    }));
}

#[test]
fn values_below_a_lower_limit_are_tinted() {
    let mut course = leak();
    course.comparison = "<";
    let picture = Picture::decode(&chart(&course, Size::EMAIL).unwrap());
    assert!(picture.count(300, BREACH) > 3);
    assert_eq!(picture.count(1020, BREACH), 0);
}

#[test]
fn odd_courses_do_no_harm() {
    let course = |values: &[f64], threshold| Course {
        points: values.iter().enumerate().map(|(i, v)| (Timestamp(NOW.0 + i as i64 * 1000), *v)).collect(),
        threshold,
        comparison: ">",
        expr: "ü\n{}".repeat(100).into(),
    };
    for (values, threshold, drawn) in [
        (&[][..], None, false),
        (&[f64::NAN, f64::INFINITY], Some(1.0), false),
        (&[1.0], None, true),
        (&[1.0, 1.0, 1.0], Some(1.0), true),
        (&[0.0, 0.0], Some(f64::NAN), true),
        (&[f64::MIN, f64::MAX], Some(0.0), true),
        (&[5e-324, 0.0], Some(f64::MAX), true),
        (&[1e300, f64::NAN, -1e300], None, true),
    ] {
        let png = chart(&course(values, threshold), Size::EMAIL);
        assert_eq!(png.is_some(), drawn, "{values:?}");
        if let Some(png) = png {
            assert_eq!(Picture::decode(&png).width, 1072);
        }
    }
    let backwards = Course { points: vec![(NOW, 1.0), (Timestamp(NOW.0 - 5000), 2.0), (NOW, 3.0)], ..leak() };
    assert!(chart(&backwards, Size { width: 1, height: 1, density: 1 }).is_some());
}

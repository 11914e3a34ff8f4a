//! What was seen over time, in bounded memory.

use serde::Serialize;

/// What was known at one look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Point {
    /// Seconds since the run began.
    pub at: f64,
    /// Green's share as the rule says, in percent.
    pub asked: Option<f64>,
    /// Green's share of the requests in the newest settled minute, in percent.
    pub seen: Option<f64>,
    /// Blue.
    pub blue: SidePoint,
    /// Green.
    pub green: SidePoint,
    /// How far the evidence against green is on its way to a rollback, in percent.
    pub harm: Option<f64>,
    /// How far the evidence for green is on its way to the next step, in percent.
    pub proof: Option<f64>,
}

/// What was known of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct SidePoint {
    /// Requests a minute.
    pub rate: Option<f64>,
    /// How many of them failed, in percent.
    pub errors: Option<f64>,
    /// Their mean latency in milliseconds.
    pub latency: Option<f64>,
    /// Half of them took at most so many milliseconds.
    pub p50: Option<f64>,
    /// Nine of ten.
    pub p90: Option<f64>,
    /// All but one of a hundred.
    pub p99: Option<f64>,
    /// Healthy targets.
    pub healthy: Option<u32>,
    /// Registered targets.
    pub registered: Option<u32>,
}

/// Points in order of time, at most so many: where there would be more, every second one goes, and
/// from then on every second new one is kept. The newest is always there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Series {
    points: Vec<Point>,
    newest: Option<Point>,
    #[serde(skip)]
    most: usize,
    #[serde(skip)]
    stride: u64,
    #[serde(skip)]
    taken: u64,
}

impl Default for Series {
    /// At most 1,440 points: 24 hours by the minute, and more than a screen is wide.
    fn default() -> Self {
        Self::new(1_440)
    }
}

impl Series {
    /// At most `most` points, at least two.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            points: Vec::new(),
            newest: None,
            most: most.max(2),
            stride: 1,
            taken: 0,
        }
    }

    /// Adds a point.
    pub fn push(&mut self, point: Point) {
        self.newest = Some(point);
        if self.taken.is_multiple_of(self.stride) {
            self.points.push(point);
        }
        self.taken += 1;
        if self.points.len() > self.most {
            let mut index = 0_usize;
            self.points.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            self.stride *= 2;
        }
    }

    /// All that were kept, the newest included.
    pub fn iter(&self) -> impl Iterator<Item = &Point> {
        let last = self.points.last().map(|point| point.at);
        let newest = self.newest.iter();
        let newest = newest.filter(move |point| Some(point.at) != last);
        self.points.iter().chain(newest)
    }

    /// The newest.
    #[must_use]
    pub fn newest(&self) -> Option<&Point> {
        self.newest.as_ref()
    }

    /// How many were kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.newest.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_bounded_and_keeps_first_and_last() {
        let mut series = Series::new(100);
        for second in 0..10_000_u32 {
            series.push(Point {
                at: f64::from(second),
                ..Point::default()
            });
            assert!(series.len() <= 102);
        }
        let times: Vec<f64> = series.iter().map(|point| point.at).collect();
        assert!(times.is_sorted());
        assert_eq!(times.first(), Some(&0.0));
        assert_eq!(times.last(), Some(&9_999.0));
        assert!(times.len() > 50);
    }
}

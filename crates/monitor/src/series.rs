//! The figures of a run over time, in bounded memory.

use serde::Serialize;

/// The figures of one look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Point {
    /// Seconds since the run began.
    pub at: f64,
    /// Green's share by the weights of the rule, in percent.
    pub asked: Option<f64>,
    /// Green's share of the requests in the newest settled minute, in percent.
    pub seen: Option<f64>,
    /// Blue.
    pub blue: SidePoint,
    /// Green.
    pub green: SidePoint,
    /// The evidence against green, in percent of the border for a rollback.
    pub harm: Option<f64>,
    /// The evidence for green, in percent of the border to pass the step.
    pub proof: Option<f64>,
}

/// The figures of one side.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct SidePoint {
    /// Requests a minute.
    pub rate: Option<f64>,
    /// Failed requests, in percent.
    pub errors: Option<f64>,
    /// The mean latency in milliseconds.
    pub latency: Option<f64>,
    /// The median latency in milliseconds.
    pub p50: Option<f64>,
    /// The 90th percentile of the latency in milliseconds.
    pub p90: Option<f64>,
    /// The 99th percentile of the latency in milliseconds.
    pub p99: Option<f64>,
    /// Healthy targets.
    pub healthy: Option<u32>,
    /// Registered targets.
    pub registered: Option<u32>,
}

/// A bounded number of points in order of time. If a point would be too many, every second point is
/// dropped, and from then on only every second new point is kept. The newest is always there.
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
    /// Returns a series of at most `most` points, and at least two.
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

    /// Returns all points that were kept, and the newest.
    pub fn iter(&self) -> impl Iterator<Item = &Point> {
        let last = self.points.last().map(|point| point.at);
        let newest = self.newest.iter();
        let newest = newest.filter(move |point| Some(point.at) != last);
        self.points.iter().chain(newest)
    }

    /// Returns the newest point.
    #[must_use]
    pub fn newest(&self) -> Option<&Point> {
        self.newest.as_ref()
    }

    /// Returns how many points [`Self::iter`] gives.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Returns whether there is no point yet.
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

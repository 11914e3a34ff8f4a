//! Charts of a run, as SVG and as PNG.

use std::{path::Path, sync::Once};

use plotters::{
    chart::ChartBuilder,
    drawing::IntoDrawingArea,
    prelude::{BitMapBackend, DrawingBackend, LineSeries, SVGBackend},
    style::{Color, FontStyle, RGBColor, register_font},
};

use crate::{Point, View};

/// A chart could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("cannot draw the chart `{chart}`: {why}")]
pub struct ChartError {
    chart: &'static str,
    why: String,
}

/// A chart of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {
    /// Green's share: by the rule, and seen in the requests.
    Share,
    /// Failed requests of both sides, in percent.
    Errors,
    /// Latency of both sides: its percentiles, or else its mean.
    Latency,
    /// Requests a minute of both sides.
    Requests,
    /// The evidence, in percent of its borders.
    Evidence,
}

/// Colours that colour-blind people can tell apart (Okabe and Ito).
const BLUE: RGBColor = RGBColor(0, 114, 178);
const GREEN: RGBColor = RGBColor(0, 158, 115);
const PALE_BLUE: RGBColor = RGBColor(128, 184, 216);
const PALE_GREEN: RGBColor = RGBColor(128, 206, 185);
const ORANGE: RGBColor = RGBColor(213, 94, 0);
const GREY: RGBColor = RGBColor(110, 110, 110);

const SIZE: (u32, u32) = (860, 260);

struct Line {
    label: &'static str,
    colour: RGBColor,
    points: Vec<(f64, f64)>,
}

impl Chart {
    /// All charts.
    pub const ALL: [Self; 5] = [
        Self::Share,
        Self::Errors,
        Self::Latency,
        Self::Requests,
        Self::Evidence,
    ];

    /// Returns the chart's name, which is also used in file names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Share => "share",
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::Requests => "requests",
            Self::Evidence => "evidence",
        }
    }

    /// Returns the chart's title, with the unit.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Share => "Green's share (%)",
            Self::Errors => "Failed requests (%)",
            Self::Latency => "Latency (ms)",
            Self::Requests => "Requests a minute",
            Self::Evidence => "Evidence (% of the border)",
        }
    }

    fn lines(self, view: &View) -> Vec<Line> {
        let line = |label, colour, value: fn(&Point) -> Option<f64>| Line {
            label,
            colour,
            points: view
                .series
                .iter()
                .filter_map(|point| Some((point.at / 60.0, value(point)?)))
                .collect(),
        };
        match self {
            Self::Share => vec![
                line("asked", GREY, |point| point.asked),
                line("seen", GREEN, |point| point.seen),
            ],
            Self::Errors => vec![
                line("blue", BLUE, |point| point.blue.errors),
                line("green", GREEN, |point| point.green.errors),
            ],
            Self::Latency => {
                let spread = vec![
                    line("blue p50", PALE_BLUE, |point| point.blue.p50),
                    line("blue p99", BLUE, |point| point.blue.p99),
                    line("green p50", PALE_GREEN, |point| point.green.p50),
                    line("green p99", GREEN, |point| point.green.p99),
                ];
                if spread.iter().any(|line| !line.points.is_empty()) {
                    return spread;
                }
                vec![
                    line("blue, mean", BLUE, |point| point.blue.latency),
                    line("green, mean", GREEN, |point| point.green.latency),
                ]
            }
            Self::Requests => vec![
                line("blue", BLUE, |point| point.blue.rate),
                line("green", GREEN, |point| point.green.rate),
            ],
            Self::Evidence => vec![
                line("against green: roll back at 100", ORANGE, |point| {
                    point.harm
                }),
                line("for green: pass step at 100", GREEN, |point| point.proof),
            ],
        }
    }

    /// Draws the chart as SVG.
    ///
    /// # Errors
    ///
    /// If the chart cannot be drawn.
    pub fn svg(self, view: &View) -> Result<String, ChartError> {
        let mut text = String::new();
        self.draw(view, SVGBackend::with_string(&mut text, SIZE))?;
        Ok(text)
    }

    /// Draws the chart as PNG, into a file.
    ///
    /// # Errors
    ///
    /// If the chart cannot be drawn or written.
    pub fn png(self, view: &View, path: &Path) -> Result<(), ChartError> {
        self.draw(view, BitMapBackend::new(path, SIZE))
    }

    fn draw<B: DrawingBackend>(self, view: &View, backend: B) -> Result<(), ChartError> {
        let failed = |why: String| ChartError {
            chart: self.name(),
            why,
        };
        self.draw_on(view, backend)
            .map_err(|error| failed(error.to_string()))
    }

    fn draw_on<B: DrawingBackend>(
        self,
        view: &View,
        backend: B,
    ) -> Result<(), plotters::drawing::DrawingAreaErrorKind<B::ErrorType>> {
        with_font();
        let lines = self.lines(view);
        let all = || lines.iter().flat_map(|line| &line.points);
        let end = all().map(|point| point.0).fold(1.0, f64::max);
        let top = all().map(|point| point.1).fold(0.0, f64::max);
        let top = match self {
            Self::Share | Self::Evidence => 105.0,
            _ if top > 0.0 => top * 1.15,
            _ => 1.0,
        };
        let area = backend.into_drawing_area();
        area.fill(&plotters::style::WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .x_label_area_size(34)
            .y_label_area_size(52)
            .caption(self.title(), ("sans-serif", 15))
            .build_cartesian_2d(0.0..end, 0.0..top)?;
        chart
            .configure_mesh()
            .x_desc("minutes")
            .light_line_style(RGBColor(247, 247, 247))
            .bold_line_style(RGBColor(225, 225, 225))
            .label_style(("sans-serif", 12))
            .draw()?;
        for line in &lines {
            let style = line.colour.stroke_width(2);
            let drawn = LineSeries::new(line.points.iter().copied(), style);
            let colour = line.colour;
            chart
                .draw_series(drawn)?
                .label(line.label)
                .legend(move |(x, y)| {
                    plotters::element::PathElement::new(
                        vec![(x, y), (x + 16, y)],
                        colour.stroke_width(2),
                    )
                });
        }
        chart
            .configure_series_labels()
            .background_style(plotters::style::WHITE.mix(0.8))
            .border_style(RGBColor(200, 200, 200))
            .label_font(("sans-serif", 12))
            .draw()?;
        area.present()
    }
}

/// Registers the program's own font: a bare machine has no font.
fn with_font() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        for style in [FontStyle::Normal, FontStyle::Bold] {
            // Fails only on bytes that are not a font.
            let _ = register_font("sans-serif", style, dejavu::sans::regular());
        }
    });
}

//! The pictures of the docs, as SVG.

use std::{error::Error, path::Path};

use bluegreen::health::{
    Tally,
    sequential::{Minute, MinuteSide, Ruling, SequentialTest, Settings, StepMargins},
};
use plotters::prelude::*;

use crate::{
    rules,
    scenario::Scenario,
    study::study,
    world::{Needs, Side, World},
};

/// Colours that colour-blind people can tell apart (Okabe and Ito).
const GREEN: RGBColor = RGBColor(0, 158, 115);
const ORANGE: RGBColor = RGBColor(230, 159, 0);
const RED: RGBColor = RGBColor(213, 94, 0);
const BLUE: RGBColor = RGBColor(0, 114, 178);
const GREY: RGBColor = RGBColor(110, 110, 110);

const SIZE: (u32, u32) = (760, 380);
const MINUTES: usize = 30;
/// The rule of this project that is shown beside the others.
const OURS: &str = "sequential 10/50/90";

/// Writes all charts into a folder.
pub(crate) fn write(folder: &Path, runs: usize, seed: u64) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    evidence(&folder.join("evidence.svg"))?;
    rules_compared(&folder.join("rules.svg"), runs, seed)
}

/// Draws the evidence of harm by the minute, with half of 6,000 requests a minute on green.
fn evidence(path: &Path) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .caption(
            "Evidence that green is worse than 1.1 × blue + 0.03 % (half of 6000 requests a minute)",
            ("sans-serif", 15),
        )
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(0_f64..30.0, -1.5_f64..7.0)?;
    chart
        .configure_mesh()
        .x_desc("minutes in the step")
        .y_desc("ln of the evidence")
        .light_line_style(WHITE)
        .draw()?;
    let border = 100_f64.ln();
    chart
        .draw_series(LineSeries::new(
            [(0.0, border), (30.0, border)],
            GREY.stroke_width(2),
        ))?
        .label("stop: evidence 100")
        .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], GREY.stroke_width(2)));
    for (name, ratio, colour) in [
        ("as good as blue (1 %)", 1.0, GREEN),
        ("1.5 times the errors", 1.5, BLUE),
        ("twice the errors", 2.0, ORANGE),
        ("five times the errors", 5.0, RED),
    ] {
        chart
            .draw_series(LineSeries::new(harm(ratio), colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.85))
        .border_style(GREY)
        .position(SeriesLabelPosition::MiddleRight)
        .draw()?;
    root.present()?;
    Ok(())
}

/// Returns the evidence of one run, until the run stops.
fn harm(ratio: f64) -> Vec<(f64, f64)> {
    let scenario = Scenario {
        ratio,
        rate: 6_000.0,
        ..Scenario::default()
    };
    let mut world = World::new(&scenario, 7, Needs::default());
    let mut test = SequentialTest::new(Settings::default(), Vec::new());
    test.enter(StepMargins::of_share(0.5));
    let side = |side: &Side| {
        MinuteSide::new(
            side.requests,
            Tally::exact(side.errors),
            Some(Tally::exact(side.slow)),
        )
    };
    let mut line = vec![(0.0, 0.0)];
    for minute in 1..=MINUTES {
        world.happen(0.5);
        let Some(seen) = world.minutes.last() else {
            break;
        };
        let ruling = test.take(&Minute::new(side(&seen.green), side(&seen.blue), 0.5));
        #[expect(clippy::cast_precision_loss, reason = "thirty minutes")]
        line.push((minute as f64, test.ln_worse().clamp(-1.5, 7.0)));
        if matches!(ruling, Ruling::Stop(_)) {
            break;
        }
    }
    line
}

/// Draws each rule by its two mistakes: on a healthy release and on a bad release.
fn rules_compared(path: &Path, runs: usize, seed: u64) -> Result<(), Box<dyn Error>> {
    let (rate, base) = (600.0, 0.01);
    let healthy = Scenario::public("healthy", rate, base);
    let bad = Scenario::public("x2", rate, base);
    let points: Vec<(&'static str, f64, f64)> = rules::all(base, rate)
        .iter()
        .filter(|rule| !rule.name.starts_with("sequential") || rule.name == OURS)
        .map(|rule| {
            let stopped = study(&healthy, rule, runs, seed);
            let missed = study(&bad, rule, runs, seed);
            let lost = stopped.stopped + stopped.inconclusive;
            (rule.name, 100.0 * lost, 100.0 * missed.promoted)
        })
        .collect();
    let root = SVGBackend::new(path, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(12)
        .caption(
            "600 requests a minute, 1 % errors: each rule's two mistakes (best at the lower left)",
            ("sans-serif", 15),
        )
        .x_label_area_size(36)
        .y_label_area_size(52)
        .build_cartesian_2d(-3_f64..103.0, -5_f64..118.0)?;
    chart
        .configure_mesh()
        .x_desc("healthy releases rolled back, %")
        .y_desc("twice the errors, promoted, %")
        .light_line_style(WHITE)
        .draw()?;
    for (place, (name, lost, missed)) in points.iter().enumerate() {
        let is_ours = *name == OURS;
        let colour = if is_ours { GREEN } else { GREY };
        chart.draw_series([Circle::new((*lost, *missed), 5, colour.filled())])?;
        // The names of points at the same place are written below each other.
        let near = points[..place]
            .iter()
            .filter(|other| (other.1 - lost).abs() < 6.0 && (other.2 - missed).abs() < 6.0);
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let down = near.count() as f64 * 5.2;
        let style = ("sans-serif", 13).into_font().color(&colour);
        chart.draw_series([Text::new(*name, (*lost + 1.5, *missed + 2.0 + down), style)])?;
    }
    root.present()?;
    Ok(())
}

//! A report of a run: one HTML file that needs no other file, and its parts.

use std::{fmt::Write as _, fs, io, path::Path};

use askama::Template;

use crate::{
    GateView, Level, LogLine, StepView, View,
    chart::{Chart, ChartError},
    clock,
};

/// A report could not be made or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A chart could not be drawn.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// The page could not be filled in.
    #[error("cannot write the page: {0}")]
    Page(#[from] askama::Error),
    /// The figures could not be written as JSON.
    #[error("cannot write the figures: {0}")]
    Json(#[from] serde_json::Error),
    /// A file of the report could not be written.
    #[error("cannot write {path}: {why}")]
    File {
        /// The file.
        path: String,
        /// Why.
        why: io::Error,
    },
}

/// A report of a run.
#[derive(Debug, Clone, Copy)]
pub struct Report<'a> {
    view: &'a View,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    view: &'a View,
    title: String,
    charts: Vec<(Chart, String)>,
    log: Vec<&'a LogLine>,
}

impl<'a> Report<'a> {
    /// Returns a report of this view. If the run is not over yet, the report says so.
    #[must_use]
    pub fn of(view: &'a View) -> Self {
        Self { view }
    }

    /// Returns one page with everything: it opens offline and loads nothing from another host. All text
    /// from AWS or configuration is escaped.
    ///
    /// # Errors
    ///
    /// If a chart cannot be drawn.
    pub fn html(&self) -> Result<String, ReportError> {
        let chart = |chart: Chart| Ok((chart, chart.svg(self.view)?));
        let page = Page {
            view: self.view,
            title: format!("Migration {}", self.view.run.as_deref().unwrap_or_default()),
            charts: Chart::ALL
                .into_iter()
                .map(chart)
                .collect::<Result<_, ChartError>>()?,
            log: self.view.log.iter().collect(),
        };
        Ok(page.render()?)
    }

    /// Returns the figures over time as a table: seconds, percents, milliseconds, requests a minute.
    #[must_use]
    pub fn csv(&self) -> String {
        let mut text = "seconds,green_share_asked_percent,green_share_seen_percent,\
             blue_requests_per_minute,blue_failed_percent,blue_mean_latency_ms,\
             blue_p50_ms,blue_p90_ms,blue_p99_ms,blue_healthy_targets,\
             green_requests_per_minute,green_failed_percent,green_mean_latency_ms,\
             green_p50_ms,green_p90_ms,green_p99_ms,green_healthy_targets,\
             harm_percent,proof_percent\n"
            .to_owned();
        let number = |value: Option<f64>| value.map(|value| format!("{value:.3}"));
        for point in self.view.series.iter() {
            let healthy = |count: Option<u32>| count.map(|count| count.to_string());
            let cells = [
                Some(format!("{:.0}", point.at)),
                number(point.asked),
                number(point.seen),
                number(point.blue.rate),
                number(point.blue.errors),
                number(point.blue.latency),
                number(point.blue.p50),
                number(point.blue.p90),
                number(point.blue.p99),
                healthy(point.blue.healthy),
                number(point.green.rate),
                number(point.green.errors),
                number(point.green.latency),
                number(point.green.p50),
                number(point.green.p90),
                number(point.green.p99),
                healthy(point.green.healthy),
                number(point.harm),
                number(point.proof),
            ];
            let cells: Vec<String> = cells.into_iter().map(Option::unwrap_or_default).collect();
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{}", cells.join(","));
        }
        text
    }

    /// Returns everything as JSON.
    ///
    /// # Errors
    ///
    /// If JSON cannot express a number.
    pub fn json(&self) -> Result<String, ReportError> {
        Ok(serde_json::to_string_pretty(self.view)?)
    }

    /// Writes the page to `path` and, beside it, the charts as SVG and PNG, the table as CSV and
    /// everything as JSON. Returns the names of these files.
    ///
    /// # Errors
    ///
    /// If a file cannot be made or written.
    pub fn write(&self, path: &Path) -> Result<Vec<String>, ReportError> {
        let mut written = Vec::new();
        let mut keep = |path: &Path, text: String| {
            fs::write(path, text).map_err(|why| ReportError::File {
                path: path.display().to_string(),
                why,
            })?;
            written.push(path.display().to_string());
            Ok::<(), ReportError>(())
        };
        keep(path, self.html()?)?;
        keep(&path.with_extension("csv"), self.csv())?;
        keep(&path.with_extension("json"), self.json()?)?;
        for chart in Chart::ALL {
            let named = |kind: &str| path.with_extension(format!("{}.{kind}", chart.name()));
            keep(&named("svg"), chart.svg(self.view)?)?;
            chart.png(self.view, &named("png"))?;
        }
        for chart in Chart::ALL {
            let png = path.with_extension(format!("{}.png", chart.name()));
            written.push(png.display().to_string());
        }
        Ok(written)
    }
}

impl Page<'_> {
    fn time(&self, seconds: &f64) -> String {
        clock(*seconds)
    }

    fn maybe(&self, seconds: &Option<f64>) -> String {
        seconds.map(clock).unwrap_or_else(|| "—".to_owned())
    }

    fn span(&self, step: &StepView) -> String {
        let ended = step.passed.or(step.left);
        match (step.began, ended) {
            (Some(began), Some(ended)) => clock(ended - began),
            _ => "—".to_owned(),
        }
    }

    fn class(&self, level: &Level) -> &'static str {
        match level {
            Level::Plain => "plain",
            Level::Good => "good",
            Level::Unsure => "unsure",
            Level::Bad => "bad",
        }
    }

    /// Returns the gates at the decision to roll back, or else the gates at the end.
    fn gates(&self) -> &[GateView] {
        match &self.view.against[..] {
            [] => &self.view.gates,
            against => against,
        }
    }

    fn stage_class(&self) -> &'static str {
        self.class(&self.view.stage.level())
    }

    fn failed_share(&self) -> String {
        let (failed, all) = (self.view.green_failed, self.view.green_requests);
        if all == 0 {
            return "no settled minute reached green".to_owned();
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of requests, for people")]
        let share = 100.0 * failed as f64 / all as f64;
        format!("{failed} of {all} requests on green failed ({share:.2}%)")
    }
}

//! A migration live in the terminal.

use bluegreen::engine::{ControlHandle, Operator};
use ratatui::{
    Frame,
    crossterm::event::{KeyCode, KeyEvent, KeyEventKind},
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    symbols::Marker,
    text::{Line, Span},
    widgets::{
        Axis, Block, Borders, Cell, Chart, Dataset, GraphType, Paragraph, Row, Sparkline, Table,
        Wrap,
    },
};

use crate::{Border, GateView, Level, Point, SidePoint, StepState, View, clock};

/// The colours of the drawing: the terminal's 16 colours, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    has_colour: bool,
}

impl Theme {
    /// Returns a theme with colour, unless `NO_COLOR` is set (<https://no-color.org>).
    #[must_use]
    pub fn from_env() -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            has_colour: !no_color,
        }
    }

    /// Returns a theme without colour.
    #[must_use]
    pub const fn plain() -> Self {
        Self { has_colour: false }
    }

    fn of(self, colour: Color) -> Style {
        if self.has_colour {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }

    fn level(self, level: Level) -> Style {
        match level {
            Level::Plain => Style::new(),
            Level::Good => self.of(Color::Green),
            Level::Unsure => self.of(Color::Yellow),
            Level::Bad => self.of(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Pause, or end a pause.
    Pause,
    /// Skip the rest of the bake.
    SkipWait,
    /// Rise to the next step without a healthy verdict.
    Promote,
    /// End the run, and leave the split as it is.
    Hold,
    /// Put everything back on blue.
    Abort,
    /// Leave the screen.
    Quit,
}

impl Key {
    /// Returns the request of a key. A key that changes traffic is a capital letter, so that it is not
    /// hit by chance.
    #[must_use]
    pub fn of(event: KeyEvent) -> Option<Self> {
        if event.kind != KeyEventKind::Press {
            return None;
        }
        Some(match event.code {
            KeyCode::Char('p') => Self::Pause,
            KeyCode::Char('s') => Self::SkipWait,
            KeyCode::Char('P') => Self::Promote,
            KeyCode::Char('H') => Self::Hold,
            KeyCode::Char('A') => Self::Abort,
            KeyCode::Char('q') | KeyCode::Esc => Self::Quit,
            _ => return None,
        })
    }

    /// Sends the key's request to the run. The caller closes the screen for [`Key::Quit`].
    pub fn apply(self, view: &View, handle: &ControlHandle, by: &Operator) {
        let by = by.clone();
        // The answer is ignored, since the screen shows the effect.
        let _answer = match self {
            Self::Pause if view.paused => handle.continue_run(by),
            Self::Pause => handle.pause(by),
            Self::SkipWait => handle.skip_wait(by),
            Self::Promote => handle.promote(by),
            Self::Hold => handle.leave(by, "asked for at the monitor"),
            Self::Abort => handle.abort(by),
            Self::Quit => return,
        };
    }
}

/// Draws the view. `is_attached` says whether keys control the run.
pub fn draw(frame: &mut Frame<'_>, view: &View, theme: Theme, is_attached: bool) {
    let area = frame.area();
    let gates = u16::try_from(view.gates.len()).unwrap_or(u16::MAX);
    let top = 9_u16.max(2 + gates.saturating_mul(3)).min(area.height / 2);
    let charts = if area.height >= 40 {
        area.height / 3
    } else if area.height >= 22 {
        6
    } else {
        0
    };
    let [head, steps, upper, middle, log, foot] = Layout::vertical([
        Constraint::Length(1),
        Constraint::Length(1),
        Constraint::Length(top),
        Constraint::Length(charts),
        Constraint::Min(3),
        Constraint::Length(1),
    ])
    .areas(area);
    header(frame, head, view, theme);
    frame.render_widget(Paragraph::new(steps_line(view, theme)), steps);
    let [left, right] =
        Layout::horizontal([Constraint::Length(46), Constraint::Min(20)]).areas(upper);
    sides(frame, left, view, theme);
    gate_list(frame, right, view, theme);
    if charts >= 10 {
        let half = [Constraint::Ratio(1, 2); 2];
        let [up, down] = Layout::vertical(half).areas(middle);
        let [a, b] = Layout::horizontal(half).areas(up);
        let [c, d] = Layout::horizontal(half).areas(down);
        chart(frame, a, view, theme, &SHARE);
        chart(frame, b, view, theme, &ERRORS);
        chart(frame, c, view, theme, &LATENCY);
        chart(frame, d, view, theme, &EVIDENCE);
    } else if charts > 0 {
        let [a, b, c] = Layout::horizontal([Constraint::Ratio(1, 3); 3]).areas(middle);
        sparks(frame, a, view, theme, &SHARE);
        sparks(frame, b, view, theme, &ERRORS);
        sparks(frame, c, view, theme, &LATENCY);
    }
    events(frame, log, view, theme);
    let keys = if is_attached && !view.is_over() {
        " p pause/continue  s skip bake  P promote  H hold  A abort  q quit "
    } else {
        " q quit "
    };
    let dim = Style::new().add_modifier(Modifier::REVERSED);
    frame.render_widget(Paragraph::new(keys).style(dim), foot);
}

fn header(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let mut line = vec![
        Span::styled(
            format!("{} ", view.stage.text()),
            theme.level(view.stage.level()).add_modifier(Modifier::BOLD),
        ),
        Span::raw(format!("+{}  {}", clock(view.elapsed), view.doing)),
    ];
    if let (Some(now), Some(deadline)) = (view.now, view.deadline)
        && !view.is_over()
    {
        let left = deadline.duration_since(now).as_secs_f64();
        line.push(Span::raw(format!("  deadline in {}", clock(left))));
    }
    if let (Some(now), Some(fires)) = (view.now, view.switch_fires) {
        let left = fires.duration_since(now).as_secs_f64();
        line.push(Span::raw(format!("  dead-man in {}", clock(left))));
    }
    frame.render_widget(Paragraph::new(Line::from(line)), area);
}

fn steps_line(view: &View, theme: Theme) -> Line<'static> {
    let mut spans = Vec::new();
    for step in &view.steps {
        let (sign, style) = match step.state {
            StepState::Ahead => ("·", Style::new()),
            StepState::Current if step.left.is_some() => ("✗", theme.level(Level::Bad)),
            StepState::Current => ("▶", theme.of(Color::Cyan).add_modifier(Modifier::BOLD)),
            StepState::Passed => ("✓", theme.level(Level::Good)),
        };
        let when = match (step.began, step.passed.or(step.left)) {
            (Some(began), Some(passed)) => format!(" {}–{}", clock(began), clock(passed)),
            (Some(began), None) => format!(" from {}", clock(began)),
            _ => String::new(),
        };
        spans.push(Span::styled(
            format!("{sign} {:.1}%{when}   ", step.green),
            style,
        ));
    }
    Line::from(spans)
}

fn sides(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let newest = view.series.newest().copied().unwrap_or_default();
    let percent = |value: Option<f64>, digits: usize| match value {
        Some(value) => format!("{value:.digits$}%"),
        None => "—".to_owned(),
    };
    let number = |value: Option<f64>, unit: &str| match value {
        Some(value) => format!("{value:.0}{unit}"),
        None => "—".to_owned(),
    };
    let targets = |healthy: Option<u32>, all: Option<u32>| match (healthy, all) {
        (Some(healthy), Some(all)) => format!("{healthy} of {all}"),
        _ => "—".to_owned(),
    };
    let other = |share: Option<f64>| share.map(|share| 100.0 - share);
    let (blue, green) = (newest.blue, newest.green);
    let rows = [
        (
            "share by the rule",
            percent(other(newest.asked), 1),
            percent(newest.asked, 1),
        ),
        (
            "share seen",
            percent(other(newest.seen), 1),
            percent(newest.seen, 1),
        ),
        (
            "requests a minute",
            number(blue.rate, ""),
            number(green.rate, ""),
        ),
        ("failed", percent(blue.errors, 2), percent(green.errors, 2)),
        (
            "mean latency",
            number(blue.latency, " ms"),
            number(green.latency, " ms"),
        ),
        (
            "healthy targets",
            targets(blue.healthy, blue.registered),
            targets(green.healthy, green.registered),
        ),
    ];
    let spread = |side: &SidePoint| match (side.p50, side.p90, side.p99) {
        (Some(p50), Some(p90), Some(p99)) => format!("{p50:.0}/{p90:.0}/{p99:.0}"),
        _ => "—".to_owned(),
    };
    let mut rows = rows.to_vec();
    if blue.p50.is_some() || green.p50.is_some() {
        rows.insert(5, ("p50/p90/p99 ms", spread(&blue), spread(&green)));
    }
    let rows = rows
        .into_iter()
        .map(|(name, blue, green)| Row::new([name.to_owned(), blue, green]));
    let head = Row::new([
        Cell::new(""),
        Cell::new("blue").style(theme.of(Color::LightBlue).add_modifier(Modifier::BOLD)),
        Cell::new("green").style(theme.of(Color::Green).add_modifier(Modifier::BOLD)),
    ]);
    let widths = [
        Constraint::Length(18),
        Constraint::Length(12),
        Constraint::Length(12),
    ];
    let table = Table::new(rows, widths)
        .header(head)
        .block(Block::new().borders(Borders::TOP));
    frame.render_widget(table, area);
}

fn gate_list(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let width = usize::from(area.width).saturating_sub(2);
    let mut lines = Vec::new();
    for gate in &view.gates {
        lines.extend(gate_lines(gate, width, theme));
    }
    let block = Block::new().borders(Borders::TOP).title("gates");
    let list = Paragraph::new(lines).wrap(Wrap { trim: true }).block(block);
    frame.render_widget(list, area);
}

fn gate_lines(gate: &GateView, width: usize, theme: Theme) -> Vec<Line<'static>> {
    let (sign, level) = match gate.status {
        "healthy" => ("✓", Level::Good),
        "unhealthy" => ("✗", Level::Bad),
        _ => ("…", Level::Unsure),
    };
    let mut lines = vec![Line::from(vec![
        Span::styled(format!("{sign} {} ", gate.name), theme.level(level)),
        Span::raw(gate.summary.clone()),
    ])];
    let bar = |name: &str, border: Border, colour: Color| {
        let cells = width.saturating_sub(34).clamp(6, 40);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of a few cells"
        )]
        let full = (border.percent() / 100.0 * cells as f64).round() as usize;
        let expected = match border.expected_in {
            Some(seconds) => format!(" in ~{}", clock(seconds)),
            None => String::new(),
        };
        Line::from(vec![
            Span::raw(format!("  {name:<9} ")),
            Span::styled("█".repeat(full), theme.of(colour)),
            Span::raw("░".repeat(cells.saturating_sub(full))),
            Span::raw(format!(" {:>3.0}%{expected}", border.percent())),
        ])
    };
    if let Some(harm) = gate.harm {
        lines.push(bar("roll back", harm, Color::Red));
    }
    if let Some(proof) = gate.proof {
        lines.push(bar("pass step", proof, Color::Green));
    }
    lines
}

type Value = fn(&Point) -> Option<f64>;

/// A chart's two lines, and its top if that is fixed.
struct Shown {
    title: &'static str,
    lines: [(&'static str, Color, Value); 2],
    top: Option<f64>,
}

const SHARE: Shown = Shown {
    title: "green's share %",
    lines: [
        ("asked", Color::Gray, |point| point.asked),
        ("seen", Color::Green, |point| point.seen),
    ],
    top: Some(100.0),
};
const ERRORS: Shown = Shown {
    title: "failed %",
    lines: [
        ("blue", Color::LightBlue, |point| point.blue.errors),
        ("green", Color::Green, |point| point.green.errors),
    ],
    top: None,
};
const LATENCY: Shown = Shown {
    title: "mean latency ms",
    lines: [
        ("blue", Color::LightBlue, |point| point.blue.latency),
        ("green", Color::Green, |point| point.green.latency),
    ],
    top: None,
};
const EVIDENCE: Shown = Shown {
    title: "evidence %",
    lines: [
        ("roll back", Color::Red, |point| point.harm),
        ("pass step", Color::Green, |point| point.proof),
    ],
    top: Some(100.0),
};

fn chart(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme, shown: &Shown) {
    let points = |value: Value| -> Vec<(f64, f64)> {
        let points = view.series.iter();
        points
            .filter_map(|point| Some((point.at, value(point)?)))
            .collect()
    };
    let data = shown.lines.map(|(_, _, value)| points(value));
    let end = view.elapsed.max(60.0);
    let highest = data.iter().flatten().map(|point| point.1);
    let top = shown
        .top
        .unwrap_or_else(|| highest.fold(0.1, f64::max) * 1.1);
    let sets = shown.lines.iter().zip(&data);
    let sets = sets.map(|((name, colour, _), data)| {
        Dataset::default()
            .name(*name)
            .marker(Marker::Braille)
            .graph_type(GraphType::Line)
            .style(theme.of(*colour))
            .data(data)
    });
    let chart = Chart::new(sets.collect())
        .block(Block::new().borders(Borders::TOP).title(shown.title))
        .x_axis(
            Axis::default()
                .bounds([0.0, end])
                .labels([clock(0.0), clock(end)]),
        )
        .y_axis(
            Axis::default()
                .bounds([0.0, top])
                .labels(["0".to_owned(), format!("{top:.1}")]),
        );
    frame.render_widget(chart, area);
}

/// Draws only bars, if there is no room for a chart.
fn sparks(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme, shown: &Shown) {
    let block = Block::new().borders(Borders::TOP).title(shown.title);
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let halves = [Constraint::Length(2), Constraint::Length(2)];
    let rows: [Rect; 2] = Layout::vertical(halves).areas(inner);
    for ((name, colour, value), row) in shown.lines.into_iter().zip(rows) {
        let [label, bars] =
            Layout::horizontal([Constraint::Length(7), Constraint::Min(4)]).areas(row);
        frame.render_widget(Paragraph::new(name).style(theme.of(colour)), label);
        let all: Vec<f64> = view.series.iter().filter_map(value).collect();
        let last = all.len().saturating_sub(usize::from(bars.width));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "bars know whole numbers"
        )]
        let data: Vec<u64> = all[last..]
            .iter()
            .map(|value| (value * 100.0).round() as u64)
            .collect();
        frame.render_widget(
            Sparkline::default().data(data).style(theme.of(colour)),
            bars,
        );
    }
}

fn events(frame: &mut Frame<'_>, area: Rect, view: &View, theme: Theme) {
    let mut lines = Vec::new();
    if let Some(outcome) = &view.outcome {
        let style = theme.level(view.stage.level()).add_modifier(Modifier::BOLD);
        lines.extend(
            outcome
                .lines()
                .map(|line| Line::styled(line.to_owned(), style)),
        );
    }
    let newest = view.log.iter().rev();
    lines.extend(newest.take(usize::from(area.height)).map(|line| {
        let first = line.text.lines().next().unwrap_or_default();
        Line::from(vec![
            Span::raw(format!("{:>9}  ", format!("+{}", clock(line.elapsed)))),
            Span::styled(first.to_owned(), theme.level(line.level)),
        ])
    }));
    let block = Block::new()
        .borders(Borders::TOP)
        .title("events, newest first");
    frame.render_widget(Paragraph::new(lines).block(block), area);
}

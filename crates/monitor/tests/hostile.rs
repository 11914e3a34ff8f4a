//! Strings from AWS and configuration are shown, and never executed.

use bluegreen::{engine::Event, migration::MigrationEvent, text::is_acted_on};
use bluegreen_monitor::{View, metrics, report::Report, source, terminal};
use ratatui::{Terminal, backend::TestBackend};
use serde_json::Value;

const KEPT: &str = include_str!("../testdata/migration-v3.jsonl");
const HOSTILE: &str = "<img src=x onerror=\"window.pwned=1\">'</script><script>window.pwned=1</script>\u{1b}[2J\u{9b}2J\u{202e}{{7*7}}";

/// Makes every free text of an event hostile: each text is replaced, and the replacement is kept if the
/// event is still valid.
fn hostile(event: &Event<MigrationEvent>) -> (Event<MigrationEvent>, usize) {
    let mut json = serde_json::to_value(event).expect("JSON");
    let mut count = 0;
    for path in texts(&json, String::new()) {
        let mut tried = json.clone();
        *tried.pointer_mut(&path).expect("it was there") = Value::from(HOSTILE);
        if serde_json::from_value::<Event<MigrationEvent>>(tried.clone()).is_ok() {
            json = tried;
            count += 1;
        }
    }
    (serde_json::from_value(json).expect("still one"), count)
}

fn texts(value: &Value, path: String) -> Vec<String> {
    match value {
        Value::String(_) => vec![path],
        Value::Array(all) => all
            .iter()
            .enumerate()
            .flat_map(|(index, value)| texts(value, format!("{path}/{index}")))
            .collect(),
        Value::Object(all) => all
            .iter()
            .flat_map(|(name, value)| {
                let name = name.replace('~', "~0").replace('/', "~1");
                texts(value, format!("{path}/{name}"))
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn view() -> View {
    let events = source::read(KEPT).expect("it was kept");
    let mut view = View::default();
    let mut replaced = 0;
    for event in &events {
        let (event, count) = hostile(event);
        replaced += count;
        view.take(&event);
    }
    assert!(replaced > 100, "only {replaced} texts were replaced");
    view
}

/// Writes the events for a test in a real browser: `MONITOR_HOSTILE=FILE cargo test -p
/// bluegreen-monitor --test hostile`.
#[test]
fn the_events_can_be_kept_for_a_browser() {
    let Some(path) = std::env::var_os("MONITOR_HOSTILE") else {
        return;
    };
    let events = source::read(KEPT).expect("it was kept");
    let lines = events.iter().map(|event| {
        let (event, _) = hostile(event);
        serde_json::to_string(&event).expect("JSON") + "\n"
    });
    std::fs::write(path, lines.collect::<String>()).expect("written");
}

#[test]
fn a_report_shows_markup_as_text() {
    let page = Report::of(&view()).html().expect("a page");
    assert!(page.contains("window.pwned=1"), "it is shown");
    for markup in [
        "<img",
        "<script",
        "</script",
        "onerror=\"",
        "\u{1b}",
        "\u{9b}",
        "\u{202e}",
    ] {
        assert!(!page.contains(markup), "{markup} is in it");
    }
}

#[test]
fn metrics_stay_lines_of_text() {
    let text = metrics::text(&view());
    assert!(text.ends_with("# EOF\n"));
    for line in text.lines() {
        let is_one = line.starts_with('#') || line.starts_with("bluegreen_");
        assert!(is_one, "{line}");
    }
}

#[test]
fn p12_a_terminal_gets_nothing_that_it_would_act_on() {
    let mut terminal = Terminal::new(TestBackend::new(120, 50)).expect("in memory");
    let view = view();
    terminal
        .draw(|frame| terminal::draw(frame, &view, terminal::Theme::plain(), true))
        .expect("in memory");
    for cell in terminal.backend().buffer().content() {
        assert!(!cell.symbol().contains(is_acted_on), "{cell:?}");
    }
}

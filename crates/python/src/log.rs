//! `tracing` of the library into `logging` of Python, to the logger `bluegreen` and those below it.

use std::{
    fmt::{self, Write as _},
    sync::atomic::{AtomicUsize, Ordering},
};

use pyo3::prelude::*;

use crate::attach::attached;
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    subscriber::Interest,
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt as _},
};

/// The numeric level of the Python logger, as it was at the start of the newest run.
static LEVEL: AtomicUsize = AtomicUsize::new(USUAL);

/// The level of a logger that was never set: warnings.
const USUAL: usize = 30;

/// Sends the library's diagnosis to `logging` from now on, unless the process has another subscriber.
pub(crate) fn install() {
    let subscriber = tracing_subscriber::registry().with(ToPython);
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Takes the level of the Python logger: what it would drop is not sent. A program that has not imported `logging`
/// has the usual level.
pub(crate) fn follow(py: Python<'_>) {
    let level = || -> PyResult<usize> {
        let modules = py.import("sys")?.getattr("modules")?;
        let logging = modules.get_item("logging")?;
        let logger = logging.call_method1("getLogger", ("bluegreen",))?;
        logger.call_method0("getEffectiveLevel")?.extract()
    };
    LEVEL.store(level().unwrap_or(USUAL), Ordering::Relaxed);
}

struct ToPython;

fn number(level: &Level) -> usize {
    match *level {
        Level::ERROR => 40,
        Level::WARN => 30,
        Level::INFO => 20,
        Level::DEBUG => 10,
        Level::TRACE => 5,
    }
}

/// Other crates, such as the SDK, log more than may be seen.
fn is_wanted(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_ours = target == "bluegreen" || target.starts_with("bluegreen::");
    is_ours && number(metadata.level()) >= LEVEL.load(Ordering::Relaxed)
}

impl<S: Subscriber> Layer<S> for ToPython {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match metadata.target().starts_with("bluegreen") {
            true => Interest::sometimes(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_wanted(metadata)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let (name, level) = (
            metadata.target().replace("::", "."),
            number(metadata.level()),
        );
        let _ = attached(|py| {
            let logger = py.import("logging")?.call_method1("getLogger", (name,))?;
            logger
                .call_method1("log", (level, "%s", text.0.trim_start()))
                .map(drop)
        });
    }
}

/// The message, then the other fields.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = match field.name() {
            "message" => {
                let fields = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{fields}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}

//! The spans that an exporting layer sees. Alone in its process: `tracing` remembers for all threads
//! which spans have no listener.

use std::sync::{Arc, Mutex};

use bluegreen::{
    Migration, MigrationPlan,
    aws::{alb::AlbTrafficSplitter, sim::Scenario},
    health::TargetHealthGate,
};
use tracing::{Subscriber, span::Attributes};
use tracing_subscriber::{Layer, layer::Context, prelude::*, registry::LookupSpan};

/// The names of spans, each with the name of its parent span.
type Spans = Vec<(String, Option<String>)>;

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Spans>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Seen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &tracing::Id, context: Context<'_, S>) {
        let span = context.span(id).expect("it is new");
        let parent = span.parent().map(|parent| parent.name().to_owned());
        let name = attributes.metadata().name().to_owned();
        self.0.lock().expect("no panic").push((name, parent));
    }
}

#[test]
fn each_action_of_a_run_is_a_span_below_the_runs() {
    let seen = Seen::default();
    tracing_subscriber::registry().with(seen.clone()).init();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let ended = runtime.block_on(async {
        let simulation = Scenario::Healthy.simulation(1);
        simulation.start_paused();
        let aws = simulation.aws();
        let (rule, blue, green) = (simulation.rule(), simulation.blue(), simulation.green());
        let splitter = AlbTrafficSplitter::new(&aws, rule, blue, green).expect("well-formed");
        let plan = MigrationPlan::builder().build().expect("valid");
        Migration::new(plan, splitter)
            .clock(aws.clock())
            .gate("targets", TargetHealthGate::new())
            .run()
            .await
    });
    assert_eq!(ended.expect("a known end").exit_code(), 0);
    let seen = seen.0.lock().expect("no panic");
    let count = |name: &str| {
        let below = (name.to_owned(), Some("migration".to_owned()));
        seen.iter().filter(|span| **span == below).count()
    };
    assert_eq!(
        seen.iter().filter(|(name, _)| name == "migration").count(),
        1
    );
    assert_eq!((count("preflight"), count("shift")), (1, 3));
    assert!(count("look") > 30);
}

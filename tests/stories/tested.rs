//! Blue while green is tested: green may share blue's database, so a test stops if blue gets worse.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use bluegreen::{
    aws::sim::{Behaviour, Call, Fault, Service, Simulation, When},
    check::{
        HttpClient, HttpFailure, HttpRequest, HttpResponse,
        load::{TestReport, TestSettings, TestSuite},
    },
};

const MINUTE: Duration = Duration::from_secs(60);
/// When blue gets worse: some minutes after the test has begun, which is at the start of the world.
const WORSE_FROM: Duration = Duration::from_secs(4 * 60);

/// Green itself answers well.
#[derive(Debug)]
struct Good;

#[async_trait]
impl HttpClient for Good {
    async fn send(&self, _: &HttpRequest) -> Result<HttpResponse, HttpFailure> {
        let took = Duration::from_millis(20);
        tokio::time::sleep(took).await;
        Ok(HttpResponse::new(200, "{}").with_took(took))
    }
}

fn worse(behaviour: Behaviour) -> Service {
    let hours = 3_600 * 2;
    Service::new(4).with(
        When::Between(WORSE_FROM, Duration::from_secs(hours)),
        behaviour,
    )
}

/// Tests green for 20 minutes beside this blue; `unread` lets every read of metrics fail from then on.
async fn tested(blue: Service, unread: bool) -> TestReport {
    let world = Simulation::builder().blue(blue).test_route();
    let simulation = world.history(Duration::from_secs(3_600)).build();
    let (aws, spec) = (simulation.aws(), simulation.spec());
    let requests = "base_url = 'https://api.chatbot.company.com'\n\
                    request = [{ name = 'health', path = '/health' }]\n";
    let suite = TestSuite::from_toml(requests).expect("valid");
    let settings = TestSettings::from_toml("duration = '20m'\nrate = 2.0").expect("valid");
    let target = spec.target(&aws, None).await.expect("one side serves");
    let ready = spec.green_test(&aws, &target, suite, settings, Arc::new(Good));
    let ready = ready.await.expect("may begin");
    if unread {
        simulation.fail(Call::GetMetricData.every(), Fault::Denied);
    }
    let (report, kept) = ready.run(&target, None, "ann").await;
    kept.expect("nothing is kept");
    report
}

/// Blue's errors rise to 5 %, or its answers take four times as long.
#[tokio::test(start_paused = true)]
async fn a_test_stops_when_blue_gets_worse_and_says_why() {
    let slow = Behaviour::Latency(Duration::from_millis(480));
    for (behaviour, why) in [
        (
            Behaviour::Errors(0.05),
            "requests failed during the test, 0.",
        ),
        (slow, "its answers take more than twice the"),
    ] {
        let report = tested(worse(behaviour), false).await;
        let written = serde_json::to_value(&report).expect("JSON");
        assert_eq!(written["verdict"], "blue-worse", "{report}");
        assert_eq!(report.exit_code(), 1, "{report}");
        assert!(
            report.reasons.len() == 1 && report.reasons[0].contains(why),
            "`{why}` in {:?}",
            report.reasons
        );
        // Not before blue was worse, and within some settled minutes after that.
        let until = WORSE_FROM + 8 * MINUTE;
        assert!(
            (WORSE_FROM.as_secs_f64()..until.as_secs_f64()).contains(&report.seconds),
            "{report}"
        );
        assert!(report.sent < report.planned, "{report}");
    }
}

/// A blue that serves as before, or whose metrics cannot be read, stops nothing.
#[tokio::test(start_paused = true)]
async fn a_test_beside_a_blue_that_serves_as_before_ends_as_planned() {
    let report = tested(Service::new(4), false).await;
    assert!(
        report.is_passed() && report.sent == report.planned,
        "{report}"
    );
    let seen = report.blue.as_deref().unwrap_or_default();
    assert!(seen.starts_with("as before in"), "{seen}");

    let report = tested(worse(Behaviour::Errors(0.05)), true).await;
    assert!(report.is_passed(), "{report}");
    let seen = report.blue.as_deref().unwrap_or_default();
    assert!(seen.starts_with("not seen: "), "{seen}");
}

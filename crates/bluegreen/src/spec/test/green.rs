//! [`GreenTest`]: the test of the new side of a specification, wired.

use std::{fmt, sync::Arc};

use super::{
    super::{MigrationSpec, SpecError, StartError, Target, deployment::below, target},
    blue::MetricsOfBlue,
    kept::{self, Subject},
};
use crate::{
    aws::{
        Aws,
        alb::{GreenGroup, GreenPlace, PlaceStep, TestHeader},
    },
    check::{
        HttpClient,
        load::{LoadTest, TestPlan, TestReport, TestSettings, TestSuite},
    },
    error::{Error, ErrorKind, ParseError, Result},
    problem::Problem,
    store::JournalStore,
};

/// The least rate that is chosen without a word, and the share of the first step of a service that is hardly
/// used.
const LEAST_RATE: f64 = 0.1;
/// The highest rate that is chosen without a word.
const MOST_RATE: f64 = 100.0;

/// A test of the new side that is ready to run.
#[derive(Debug)]
#[must_use = "it does nothing until `run` is called"]
pub struct GreenTest {
    plan: TestPlan,
    test: LoadTest,
    subject: Subject,
    rule: String,
    notes: Vec<String>,
    aws: Aws,
}

impl MigrationSpec {
    /// Makes a test of the new side ready: applies the settings of the table `[test]`, sets the rate to the
    /// share of the first step if no rate is given, makes sure that the test route leads to the new side
    /// alone, and watches the metrics of the side that serves. `more` overrides the settings of the file.
    ///
    /// # Errors
    ///
    /// [`StartError`]; no request was sent.
    ///
    /// # Cancel safety
    ///
    /// Only reads.
    pub async fn green_test(
        &self,
        aws: &Aws,
        target: &Target,
        suite: TestSuite,
        more: TestSettings,
        client: Arc<dyn HttpClient>,
    ) -> std::result::Result<GreenTest, StartError> {
        self.check()?;
        let mut suite = self.of_table(suite)?.with_settings(more);
        let mut notes = Vec::new();
        let share = self.first_share(aws, target).await?;
        match (share, suite.settings().has_rate()) {
            (Some(share), false) => {
                let rate = share.clamp(LEAST_RATE, MOST_RATE);
                let rate = (10.0 * rate).round() / 10.0;
                notes.push(format!(
                    "{rate} requests a second are green's share in the first step"
                ));
                suite = suite.with_settings(TestSettings::default().with_rate(rate));
            }
            (Some(share), true) => notes.push(format!(
                "in the first step green gets {share:.1} requests a second, by the last hour"
            )),
            (None, _) => {
                notes.push(
                    "blue had no request in the last hour, so its rate is not known".to_owned(),
                );
            }
        }
        let plan = suite
            .plan()
            .map_err(|problems| SpecError::new(below("test", problems)))?;
        self.make_sure_of_route(aws, target, &plan).await?;
        let watch = MetricsOfBlue::new(self.source(aws, target)?, aws);
        let test = LoadTest::new(plan.clone(), client, aws.clock()).watching(Arc::new(watch));
        Ok(GreenTest {
            plan,
            test,
            subject: Subject::of(aws, target).await?,
            rule: self.locate(aws).await?.as_str().to_owned(),
            notes,
            aws: aws.clone(),
        })
    }

    /// The suite with the settings and the service of the table `[test]`.
    fn of_table(&self, suite: TestSuite) -> std::result::Result<TestSuite, SpecError> {
        let table = &self.test;
        let settings = table.settings();
        let settings = settings.map_err(|problems| SpecError::new(below("test", problems)))?;
        let suite = suite.with_service(|mut service| {
            if let Some(url) = &table.url {
                service = service.with_base_url(url.as_str())?;
            }
            if let Some(host) = &table.host {
                service = service.with_host(host.as_str())?;
            }
            Ok(match &table.connect_to {
                Some(to) => service.with_connect_to(to.clone()),
                None => service,
            })
        });
        let told = |error| SpecError::new(below("test", super::problems_of_file(error)));
        Ok(suite.map_err(told)?.with_settings(settings))
    }

    /// The requests a second that the new side gets in the first step, by the last hour; `None` if there was
    /// no request.
    async fn first_share(&self, aws: &Aws, target: &Target) -> Result<Option<f64>> {
        let plan = self.plan().map_err(target::invalid)?;
        let first = plan.steps().first().map(|step| step.green.as_fraction());
        let minutes = self
            .past(aws, target, std::time::Duration::from_secs(3_600))
            .await?;
        let requests: u64 = minutes.iter().map(|side| side.requests).sum();
        let seconds = minutes.len() as u64 * self.judge.period.0.as_secs();
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = requests as f64 / seconds.max(1) as f64;
        Ok(first.map(|share| share * rate).filter(|_| requests > 0))
    }

    /// Makes sure that the header of the plan leads to the new side alone: else the load would go to users'
    /// requests.
    async fn make_sure_of_route(
        &self,
        aws: &Aws,
        target: &Target,
        plan: &TestPlan,
    ) -> std::result::Result<(), StartError> {
        let problem = |message: String, hint: &str| {
            SpecError::new(vec![Problem::new("test.test_header", message, hint)])
        };
        let Some(header) = plan.header() else {
            let message = "is empty, so the requests would reach the side that serves".to_owned();
            return Err(problem(
                message,
                "leave it out, or name the header of the test route",
            )
            .into());
        };
        let header: TestHeader = header
            .parse()
            .map_err(|error: ParseError| problem(error.to_string(), ""))?;
        let (blue, green) = (&target.sides.blue.group, &target.sides.green.group);
        let group = GreenGroup::existing(green.clone());
        let place = GreenPlace::new(aws, target.rule.clone(), blue.clone(), group)?;
        let missing = place.with_test_header(header.clone()).preview().await?;
        let is_absent = |step: &PlaceStep| {
            matches!(
                step,
                PlaceStep::CreateRoute { .. } | PlaceStep::TurnRoute { .. }
            )
        };
        if !missing.iter().any(is_absent) {
            return Ok(());
        }
        let message = format!(
            "no test route leads to {} with `{header}`, so the requests would reach the side that serves",
            green.name()
        );
        let error = Error::new(ErrorKind::Refused, message);
        Err(error
            .with_hint("`bluegreen prepare` makes the route, or turns it round")
            .into())
    }
}

impl GreenTest {
    /// The plan.
    pub fn plan(&self) -> &TestPlan {
        &self.plan
    }

    /// What the operator should know before the test begins.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Adds to the test: a cancel, a sink of progress.
    pub fn with(mut self, change: impl FnOnce(LoadTest) -> LoadTest) -> Self {
        self.test = change(self.test);
        self
    }

    /// Runs the test, and keeps its result beside the journal of the rule, in place of an earlier result.
    /// `by` names the person or job that is responsible. A cancelled test leaves the earlier result.
    ///
    /// # Errors
    ///
    /// With the report: if the result could not be kept, or if another version of green runs now than when the
    /// test began.
    ///
    /// # Cancel safety
    ///
    /// As [`LoadTest::run`]; a dropped call may have kept the result.
    pub async fn run(
        self,
        target: &Target,
        store: Option<&JournalStore>,
        by: &str,
    ) -> (TestReport, Result<()>) {
        let report = self.test.run().await;
        let Some(store) = store.filter(|_| report.exit_code() != 11) else {
            return (report, Ok(()));
        };
        let kept = async {
            let now = Subject::of(&self.aws, target).await?;
            if now != self.subject {
                let message = format!(
                    "green was changed during the test: from {} to {now}",
                    self.subject
                );
                let error = Error::new(ErrorKind::Conflict, message);
                return Err(error.with_hint("test again: the result is of neither"));
            }
            let ended = self.aws.time_there();
            kept::keep(store, &self.rule, now, ended, by, &report).await
        };
        let kept = kept.await;
        (report, kept)
    }
}

impl fmt::Display for GreenTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.plan)?;
        self.notes
            .iter()
            .try_for_each(|note| write!(f, "\nnote: {note}"))
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;

    use super::*;
    use crate::{
        aws::sim::Scenario,
        check::{HttpFailure, HttpRequest, HttpResponse},
        spec::Span,
    };

    /// Answers every request in 20 ms.
    #[derive(Debug)]
    struct Good;

    #[async_trait]
    impl HttpClient for Good {
        async fn send(&self, _: &HttpRequest) -> std::result::Result<HttpResponse, HttpFailure> {
            let took = Duration::from_millis(20);
            tokio::time::sleep(took).await;
            Ok(HttpResponse::new(200, "{}").with_took(took))
        }
    }

    const REQUESTS: &str = "base_url = 'https://api.chatbot.company.com'\n\
                            request = [{ name = 'health', path = '/health' }]\n";

    fn suite() -> TestSuite {
        TestSuite::from_toml(REQUESTS).expect("valid")
    }

    /// From no test route to a test that lets a migration begin, until the test expires.
    #[tokio::test(start_paused = true)]
    async fn a_migration_that_requires_a_test_begins_after_it_and_not_when_it_has_expired() {
        let simulation = Scenario::Healthy.simulation(7);
        let (aws, store) = (simulation.aws(), JournalStore::memory());
        let mut spec = simulation.spec();
        spec.test.require = Some(Span::minutes(24 * 60));
        let target = spec.target(&aws, None).await.unwrap();
        let finding = spec.untested(&aws, &store, &target).await.unwrap();
        assert_eq!(finding.message, "green was not tested");
        let refused = spec.start(&aws, &store, "ann").await.unwrap().run().await;
        let refused = refused.unwrap();
        assert_eq!(refused.exit_code(), 3, "{refused}");
        assert!(
            refused.to_string().contains("green was not tested"),
            "{refused}"
        );

        let more = TestSettings::default;
        let ready = spec
            .green_test(&aws, &target, suite(), more(), Arc::new(Good))
            .await;
        let error = ready.unwrap_err();
        assert_eq!(error.exit_code(), 3);
        assert!(
            error.to_string().contains("no test route leads to"),
            "{error}"
        );

        let (blue, green) = (
            target.sides.blue.group.clone(),
            target.sides.green.group.clone(),
        );
        let place = GreenPlace::new(&aws, target.rule.clone(), blue, GreenGroup::existing(green));
        place.unwrap().prepare().await.unwrap();
        let ready = spec
            .green_test(&aws, &target, suite(), more(), Arc::new(Good))
            .await
            .unwrap();
        assert!(
            ready.notes()[0].ends_with("are green's share in the first step"),
            "{ready}"
        );
        let (report, kept) = ready.run(&target, Some(&store), "ann").await;
        assert!(report.is_passed(), "{report}");
        kept.unwrap();
        assert!(
            report
                .blue
                .as_deref()
                .is_some_and(|seen| seen.starts_with("as before in")),
            "{report}"
        );
        assert_eq!(spec.untested(&aws, &store, &target).await, None);
        tokio::time::sleep(Duration::from_secs(25 * 3_600)).await;
        let finding = spec.untested(&aws, &store, &target).await.unwrap();
        assert!(
            finding.message.contains("may be at most 24h old"),
            "{finding}"
        );
        assert!(
            finding
                .hint
                .is_some_and(|hint| hint.contains("`bluegreen test`"))
        );
    }

    #[test]
    fn the_table_is_read_by_the_reader_of_request_files() {
        let spec = Scenario::Healthy.simulation(7).spec();
        let table = "\n[test]\nfile = \"load.toml\"\nrate = 20\nmax_latency = { p99 = \"2s\" }\n\
                     tolerances = [{ path = \"$.score\", within = 0.1 }]\n";
        let text = spec.to_toml() + table;
        let read = MigrationSpec::from_toml(&text).unwrap();
        assert_eq!(
            read.test.settings().unwrap().test_header(),
            "X-Bluegreen-Test: green"
        );
        let wrong = text.replace("$.score", "score").replace("p99", "p100");
        let error = MigrationSpec::from_toml(&wrong).unwrap_err();
        let fields: Vec<&str> = error
            .problems()
            .iter()
            .map(|one| one.problem.field.as_str())
            .collect();
        assert_eq!(fields, ["test.max_latency.p100", "test.tolerances[0].path"]);
    }
}

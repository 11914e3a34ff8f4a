//! How gentle a migration is to AWS.

use std::time::Duration;

use bluegreen::{MigrationPlan, aws::sim::Simulation};

use crate::common::migrate;

#[tokio::test(start_paused = true)]
async fn a_plain_migration_with_ten_looks_a_step_stays_within_its_budget() {
    let simulation = Simulation::builder().build();
    let plan = MigrationPlan::builder()
        .look_interval(Duration::from_secs(60))
        .build()
        .expect("valid");
    let run = migrate(&simulation, plan).await;
    assert_eq!(run.exit_code(), 0, "{}", run.last_words());
    let calls = run.aws.calls();
    assert!(calls.of("ModifyRule") <= 3, "{calls}");
    assert!(calls.of("DescribeRules") <= 45, "{calls}");
    assert!(calls.of("DescribeTargetHealth") <= 90, "{calls}");
    assert!(calls.of("GetMetricData") <= 31, "{calls}");
}

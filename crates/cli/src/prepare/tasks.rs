//! Says how much of the traffic green's tasks can carry, if the file names both services.

use bluegreen::{
    Aws,
    aws::{alb::TargetGroupArn, ecs::EcsCapacityKeeper},
    spec::{MigrationSpec, SideSpec},
    traffic::CapacityKeeper as _,
};

use crate::common::say::say_line;

/// Says how many tasks each service is to run, and what share of the traffic that is enough for. What cannot be
/// read is left to `plan`, which refuses a step without enough targets.
pub(super) async fn say(aws: &Aws, spec: &MigrationSpec, blue: &TargetGroupArn) {
    let is_blue = |side: &&SideSpec| side.target_group.name() == blue.name();
    let blue = spec.sides.values().find(is_blue);
    let green = spec.sides.values().find(|side| !is_blue(side));
    let (Some(blue), Some(green)) = (blue, green) else {
        return;
    };
    let (Some(blue), Some(name)) = (tasks(aws, blue).await, &green.service) else {
        return;
    };
    match tasks(aws, green).await {
        Some(green) => say_line!(
            "{}",
            words(&name.name, green, blue, spec.plan.capacity_ratio)
        ),
        None => say_line!(
            "service {} does not run yet; blue's runs {blue} tasks, and `deploy` starts green's",
            name.name
        ),
    }
}

/// How many tasks a side's service is to run, if it can be read.
async fn tasks(aws: &Aws, side: &SideSpec) -> Option<u32> {
    let service = side.service.as_ref()?;
    let keeper = EcsCapacityKeeper::new(aws, &service.cluster, &service.name);
    Some(keeper.observe().await.ok()?.running)
}

/// One target of green replaces `ratio` targets of blue.
fn words(service: &str, green: u32, blue: u32, ratio: f64) -> String {
    let needed = (f64::from(blue) / ratio.max(f64::MIN_POSITIVE)).ceil();
    let share = match needed > 0.0 {
        true => (f64::from(green) / needed * 100.0).min(100.0).floor(),
        false => 100.0,
    };
    let enough = format!(
        "service {service} is to run {green} tasks and blue's {blue}: enough for {share} % of the traffic"
    );
    match share < 100.0 {
        true => format!("{enough}; all of it needs {needed}"),
        false => enough,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_what_greens_tasks_can_carry() {
        let said = |green, blue, ratio| {
            let said = words("web", green, blue, ratio);
            said.split(": enough for ").nth(1).unwrap().to_owned()
        };
        assert_eq!(said(4, 4, 1.0), "100 % of the traffic");
        assert_eq!(said(1, 4, 1.0), "25 % of the traffic; all of it needs 4");
        assert_eq!(said(1, 4, 4.0), "100 % of the traffic");
        assert_eq!(said(2, 3, 1.0), "66 % of the traffic; all of it needs 3");
        assert_eq!(said(0, 4, 1.0), "0 % of the traffic; all of it needs 4");
    }
}

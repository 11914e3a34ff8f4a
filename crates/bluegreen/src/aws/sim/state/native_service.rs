//! The service if ECS moves its traffic: its rules, and its deployments of that kind.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    change::Writer,
    fleet::{ACCOUNT, CLUSTER, Fleet, SERVICE, STARTS},
    native::{Native, Passed, configuration::Configuration, deployment::Facts},
    rules,
};

impl Fleet {
    /// Makes the service one of two groups between which ECS moves the traffic: blue's group has its tasks.
    pub(in crate::aws::sim) fn move_natively(&mut self, configuration: Value) {
        self.blue.is_deleted = true;
        let Some(service) = self.service.as_mut() else {
            return;
        };
        let settings = &mut service.settings;
        settings.insert("deploymentConfiguration".to_owned(), configuration);
        let running = service.completed.clone().unwrap_or_default();
        let path = format!("{CLUSTER}/{SERVICE}");
        self.native = Some(Native::new(ACCOUNT, path, running));
    }

    /// Names the rules of the service whose traffic ECS moves.
    pub(in crate::aws::sim) fn name_rules(&mut self, production: &str, test: &str) {
        let Some(service) = self.service.as_mut().filter(|_| self.native.is_some()) else {
            return;
        };
        let balanced = &mut service.settings["loadBalancers"][0];
        balanced["targetGroupArn"] = json!(rules::blue().as_str());
        balanced["advancedConfiguration"] = json!({
            "alternateTargetGroupArn": rules::green().as_str(),
            "productionListenerRule": production,
            "testListenerRule": test,
            "roleArn": "arn:aws:iam::123456789012:role/ecsInfrastructureRole",
        });
    }

    /// How the service is deployed.
    pub(in crate::aws::sim) fn configuration(&self) -> Result<Configuration, String> {
        let service = self.service.as_ref();
        let written = service.and_then(|one| one.settings.get("deploymentConfiguration"));
        Configuration::read(written.unwrap_or(&Value::Null))
    }

    /// Begins a deployment whose traffic ECS moves itself.
    pub(in crate::aws::sim) fn begin(
        &mut self,
        now: Duration,
        revision: &str,
        by: Writer,
    ) -> Result<(), String> {
        let configuration = self.configuration()?;
        let (Some(native), Some(service)) = (self.native.as_mut(), self.service.as_mut()) else {
            return Ok(());
        };
        let advanced = &service.settings["loadBalancers"][0]["advancedConfiguration"];
        let has_test = advanced["testListenerRule"].is_string();
        let arn = native.begin(now, revision.to_owned(), configuration, has_test);
        service.history.push((revision.to_owned(), by));
        let message = format!("(service {SERVICE}) has started a service deployment {arn}.");
        service.events.push((now, message));
        Ok(())
    }

    /// Lets happen to a deployment of that kind what is due at this time.
    pub(super) fn pass(&mut self, place: usize, at: Duration, facts: &Facts) -> Passed {
        let Some(native) = self.native.as_mut() else {
            return Passed::default();
        };
        let passed = native.pass(place, at, facts);
        if passed.has_won
            && let Some(service) = self.service.as_mut()
        {
            let live = native.live().task_definition.clone();
            service.deployments.truncate(1);
            if let Some(first) = service.deployments.first_mut() {
                first.revision.clone_from(&live);
                first.begun = at.saturating_sub(STARTS * 2);
                first.reason = format!("ECS deployment {} completed.", first.id);
            }
            service.completed = Some(live);
            let message = format!("(service {SERVICE}) has reached a steady state.");
            service.events.push((at, message));
        }
        passed
    }
}

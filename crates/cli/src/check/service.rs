//! The options about the service that is asked.

use bluegreen::check::{CheckSuite, ConnectTo, SpecError};

/// The service, and what every request to it carries.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Service {
    /// The service's URL, instead of the file's `base_url`.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The `Host` header, instead of the file's.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// Send requests here instead of to the URL's host: to the load balancer's own name, if the
    /// service's name still leads elsewhere. Certificates are checked against the URL's host.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) connect_to: Option<ConnectTo>,
    /// A header for every request, such as `X-Bluegreen-Test: green`. Give secrets to
    /// --header-env: every user of the machine can read arguments.
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// A header, with its value from an environment variable: `Authorization=CHAT_TOKEN`.
    #[arg(long, value_name = "NAME=VARIABLE")]
    pub(crate) header_env: Vec<String>,
}

impl Service {
    /// Applies the options to a suite, and adds every problem. `simulated` is the URL of a simulated service.
    pub(crate) fn applied(
        &self,
        simulated: Option<&str>,
        mut suite: CheckSuite,
        problems: &mut Vec<String>,
    ) -> CheckSuite {
        let mut apply =
            |option: &str, change: &dyn Fn(CheckSuite) -> Result<CheckSuite, SpecError>| {
                match change(suite.clone()) {
                    Ok(changed) => suite = changed,
                    Err(error) => add(problems, option, &error),
                }
            };
        if let Some(url) = self.url.as_deref().or(simulated) {
            apply("--url", &|suite| suite.with_base_url(url));
        }
        if let Some(host) = &self.host {
            apply("--host", &|suite| suite.with_host(host));
        }
        if let Some(to) = &self.connect_to {
            apply("--connect-to", &|suite| {
                Ok(suite.with_connect_to(to.clone()))
            });
        }
        let mut malformed = Vec::new();
        for header in &self.header {
            match header.split_once(':') {
                Some((name, value)) => apply("--header", &|suite| {
                    suite.with_header(name.trim(), value.trim())
                }),
                None => {
                    malformed.push("--header: write it like `X-Bluegreen-Test: green`".to_owned());
                }
            }
        }
        for header in &self.header_env {
            let Some((name, variable)) = header.split_once('=') else {
                malformed.push("--header-env: write it like `Authorization=CHAT_TOKEN`".to_owned());
                continue;
            };
            match std::env::var(variable) {
                Ok(value) if !value.is_empty() => apply("--header-env", &|suite| {
                    suite.with_secret_header(name, &value)
                }),
                _ => malformed.push(format!(
                    "--header-env: the variable `{variable}` is not set"
                )),
            }
        }
        problems.extend(malformed);
        suite
    }
}

pub(super) fn add(problems: &mut Vec<String>, place: &str, error: &SpecError) {
    let shown = error.problems().iter();
    problems.extend(shown.map(|problem| format!("{place}: {problem}")));
}

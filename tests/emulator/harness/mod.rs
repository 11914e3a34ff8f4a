//! Servers for the tests: started once and shared by all.

mod server;
mod venv;

use std::{env, io::Write as _, sync::OnceLock};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::{Credentials, provider::SharedCredentialsProvider};

pub(crate) use self::server::Emulator;
use self::{server::Server, venv::Venv};

/// The region of everything.
pub(crate) const REGION: &str = "us-east-1";

/// Returns the endpoint of one emulator. If this machine cannot run it, prints the reason and
/// returns `None`.
///
/// Nothing is taken from the environment, so the machine's own AWS settings never matter.
pub(crate) fn start(emulator: Emulator) -> Option<Endpoint> {
    Some(Endpoint::of(shared(emulator, found()?)))
}

/// As [`start`], but a server that no other test shares, with these variables in its environment.
pub(crate) fn own(emulator: Emulator, env: &[(&str, String)]) -> Option<Endpoint> {
    // It lives as long as the process.
    let server = Box::leak(Box::new(Server::start(emulator, found()?, env)));
    Some(Endpoint::of(server))
}

/// The virtual environment, or `None` with the reason printed.
fn found() -> Option<&'static Venv> {
    match venv() {
        Ok(venv) => Some(venv),
        Err(reason) => {
            skip(reason);
            None
        }
    }
}

/// Settings for this server.
fn config(server: &Server) -> SdkConfig {
    let credentials = Credentials::new("testing", "testing", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .endpoint_url(server.url())
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

/// An emulator to send calls to.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) config: SdkConfig,
    server: &'static Server,
}

impl Endpoint {
    fn of(server: &'static Server) -> Self {
        let config = config(server);
        Self { config, server }
    }

    /// Sets how many calls moto serves before it asks IAM whether a call is allowed.
    pub(crate) fn ask_iam_after(&self, calls: u32) {
        self.server.ask_iam_after(calls);
    }

    /// Posts a form without the SDK; see [`Server::post`].
    pub(crate) fn post(&self, service: &str, form: &str) -> Result<String, String> {
        self.server.post(service, form)
    }

    /// Makes an S3 bucket.
    pub(crate) fn make_bucket(&self, bucket: &str) {
        self.server.make_bucket(bucket);
    }
}

/// The server of this emulator, which the first test that needs it starts.
fn shared(emulator: Emulator, venv: &Venv) -> &'static Server {
    static MOTO: OnceLock<Server> = OnceLock::new();
    static MINISTACK: OnceLock<Server> = OnceLock::new();
    let slot = match emulator {
        Emulator::Moto => &MOTO,
        Emulator::Ministack => &MINISTACK,
    };
    slot.get_or_init(|| Server::start(emulator, venv, &[]))
}

fn venv() -> &'static Result<Venv, String> {
    static VENV: OnceLock<Result<Venv, String>> = OnceLock::new();
    VENV.get_or_init(Venv::ready)
}

/// Prints why a test does not run, to standard error itself: the output of a test is only shown
/// if the test fails.
fn skip(reason: &str) {
    let is_required = env::var_os("BLUEGREEN_REQUIRE_EMULATOR").is_some_and(|value| value == "1");
    assert!(
        !is_required,
        "BLUEGREEN_REQUIRE_EMULATOR is 1 and there is no emulator: {reason}"
    );
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: no emulator: {reason}");
}

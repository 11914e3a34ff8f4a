//! The command line.

use std::path::PathBuf;

use bluegreen::check::ConnectTo;
use clap::{Parser, ValueEnum};

/// Ask a released service what its users will ask.
#[derive(Debug, Parser)]
#[command(name = "bluegreen check", version, max_term_width = 100, after_help = AFTER)]
pub(crate) struct Cli {
    /// The checks, in TOML [default: those of the chatbot, built in].
    #[arg(long, value_name = "FILE")]
    pub(crate) checks: Option<PathBuf>,
    /// The service, instead of the file's `base_url`.
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// The `Host` header, instead of the file's.
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// Where requests are sent, instead of to the URL's host: the load balancer's own name, if the
    /// service's leads elsewhere yet. Certificates are checked against the URL's host.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) connect_to: Option<ConnectTo>,
    /// A header for every request, such as `X-Bluegreen-Test: green`. Secrets belong into
    /// --header-env, since everybody on the machine can read arguments.
    #[arg(long, value_name = "NAME: VALUE")]
    pub(crate) header: Vec<String>,
    /// A header whose value is taken from a variable: `Authorization=CHAT_TOKEN`.
    #[arg(long, value_name = "NAME=VARIABLE")]
    pub(crate) header_env: Vec<String>,
    /// How often the tests are run, one round after the other.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repeat: u32,
    /// Show what would be asked, and ask nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Print one report a line as JSON on stdout, and nothing for people.
    #[arg(long)]
    pub(crate) json: bool,
    /// A small simulated chatbot, served on loopback.
    #[arg(
        long,
        value_enum,
        value_name = "NAME",
        num_args = 0..=1,
        default_missing_value = "healthy",
        conflicts_with_all = ["url", "checks"]
    )]
    pub(crate) sim: Option<Scenario>,
}

const AFTER: &str = "\
Exit codes:
   0  everything is as it should be
   1  a check failed, or the service did not become healthy
   2  bad arguments or checks; nothing was asked

Examples:
  bluegreen check --sim                            a healthy chatbot, simulated
  bluegreen check --sim broken-chat                one that fails
  bluegreen check --url https://api.acme.com --header 'X-Bluegreen-Test: green'";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Starts for a moment, then does everything right.
    Healthy,
    /// Is healthy, but every chat is an error.
    BrokenChat,
    /// Is healthy, but a chat takes four seconds.
    Slow,
    /// Never becomes healthy.
    NeverHealthy,
}

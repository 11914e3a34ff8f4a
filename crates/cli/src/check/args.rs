//! The command line.

use std::path::PathBuf;

use bluegreen::spec::Span;
use clap::{Parser, ValueEnum};

use super::service::Service;

/// Test a released service with requests as its users send them.
#[derive(Debug, Parser)]
#[command(name = "bluegreen check", version, max_term_width = 100, after_help = AFTER)]
pub(crate) struct Cli {
    /// The checks, a TOML file [default: the built-in checks of the chatbot].
    #[arg(long, value_name = "FILE")]
    pub(crate) checks: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) service: Service,
    /// Most time for a service to start [default: the health check's, or 2m].
    #[arg(long, value_name = "TIME")]
    pub(crate) wait: Option<Span>,
    /// The number of rounds of the tests, one after the other.
    #[arg(long, value_name = "N", default_value_t = 1,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repeat: u32,
    /// Show the requests, and send nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Print reports as JSON lines on stdout, instead of text.
    #[arg(long)]
    pub(crate) json: bool,
    /// Test a small simulated chatbot, served on loopback.
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
   0  every check passed
   1  a check failed, or the service did not become healthy
   2  bad arguments or checks; nothing was sent

Examples:
  bluegreen check --sim                            a healthy chatbot, simulated
  bluegreen check --sim starting                   a chatbot that is not up yet
  bluegreen check --sim broken-chat                a chatbot that fails
  bluegreen check --url https://api.acme.com --header 'X-Bluegreen-Test: green'";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Is not healthy at the first look, then answers every request well.
    Healthy,
    /// Refuses three requests and is not ready for two, then answers every request well.
    Starting,
    /// Is healthy, but answers every chat with an error.
    BrokenChat,
    /// Is healthy, but a chat takes four seconds.
    Slow,
    /// Never becomes healthy.
    NeverHealthy,
}

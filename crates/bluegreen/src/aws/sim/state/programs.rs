//! [`Programs`]: how the machine's programs do.

/// What is wrong with the simulated machine's programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Programs {
    /// Nothing.
    #[default]
    Work,
    /// There is no `docker`.
    Missing,
    /// The engine does not run.
    EngineDown,
    /// The build fails.
    BuildFails,
    /// The registry refuses the push.
    PushRefused,
}

//! [`Programs`]: the defects of the machine's programs.

/// The defect of the simulated machine's programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) enum Programs {
    /// None.
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

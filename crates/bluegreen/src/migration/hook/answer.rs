//! The answer to a call of a hook.

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// The program ended with this code and this first line of output; a webhook that took the message ends
    /// with 0.
    Ended { code: i32, line: String },
    /// Why there is no answer.
    None(String),
}

impl Answer {
    /// Why the call failed, if it did.
    pub(super) fn failure(&self) -> Option<String> {
        match self {
            Self::Ended { code: 0, .. } => None,
            Self::Ended { code, line } => Some(match line.as_str() {
                "" => format!("exit code {code}"),
                line => format!("exit code {code}: {line}"),
            }),
            Self::None(why) => Some(why.clone()),
        }
    }
}

//! Whether the program of a hook is there.

use std::{
    env,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use bluegreen::{problem::Problem, spec::MigrationSpec};

/// Returns a problem if the program of the hooks is not there, or may not be executed.
pub(crate) fn problem(spec: &MigrationSpec) -> Option<Problem> {
    let program = spec.hooks.command.first()?.as_str();
    let is_found = match program.contains('/') {
        true => is_program(Path::new(program)),
        false => folders().any(|folder| is_program(&folder.join(program))),
    };
    if is_found {
        return None;
    }
    let (message, hint) = match program.contains('/') {
        true if Path::new(program).exists() => (
            format!("`{program}` is not a program that may be executed"),
            format!("`chmod +x {program}`"),
        ),
        true => (
            format!("there is no program `{program}` here"),
            "a relative path begins at the folder in which the command runs".to_owned(),
        ),
        false => (
            format!("there is no program `{program}` in PATH"),
            "install the program, or give its path".to_owned(),
        ),
    };
    Some(Problem::new("hooks.command", message, hint))
}

/// Where the system looks without PATH:
/// [`execvp`](https://man7.org/linux/man-pages/man3/exec.3.html).
const USUAL_PATH: &str = "/bin:/usr/bin";

fn folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_else(|| USUAL_PATH.into());
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

fn is_program(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

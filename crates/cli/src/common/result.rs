//! How a command ended, for the program that started it.

use std::{
    fs::{File, OpenOptions},
    io::Write as _,
    path::Path,
    process::ExitCode,
};

use bluegreen::problem::Problem;

use super::say::say_line;

/// Each exit code, and its name in the file. A contract.
const ENDS: [(u8, &str); 9] = [
    (0, "done"),
    (1, "check-failed"),
    (2, "bad-arguments"),
    (3, "unchanged"),
    (4, "to-do"),
    (10, "rolled-back"),
    (11, "cancelled"),
    (12, "held"),
    (20, "look-now"),
];

/// The file that gets how the command ended, as lines of `NAME=VALUE`.
///
/// A shell that is replaced by `exec`, so that signals arrive, cannot note an exit code. So the command does. A
/// command that was killed leaves no line.
pub(crate) struct ResultFile(File);

impl ResultFile {
    /// Opens the file, and creates it if it does not exist.
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        let file = OpenOptions::new().append(true).create(true).open(path);
        file.map(Self).map_err(|error| {
            let message = format!("{}: {error}", path.display());
            Problem::new("--result", message, "name a file that can be written")
        })
    }

    /// Appends how the command ended, and returns its exit code.
    pub(crate) fn keep(mut self, code: ExitCode) -> ExitCode {
        let end = ENDS.iter().find(|(one, _)| ExitCode::from(*one) == code);
        if let Some((number, name)) = end {
            let lines = format!("exit_code={number}\nended={name}\n");
            if let Err(error) = self.0.write_all(lines.as_bytes()) {
                say_line!("warning: the result was not written: {error}");
            }
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_result_stands_behind_what_the_file_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("result");
        std::fs::write(&path, "digest=sha256:1\n").expect("written");
        let file = ResultFile::open(&path).map_err(|problem| problem.message);
        let code = file.expect("opened").keep(ExitCode::from(12));
        assert_eq!(code, ExitCode::from(12));
        let text = std::fs::read_to_string(&path).expect("read");
        assert_eq!(text, "digest=sha256:1\nexit_code=12\nended=held\n");
    }

    #[test]
    fn each_exit_code_of_the_docs_has_a_name() {
        let docs = include_str!("../../data/operating.md");
        let (_, table) = docs.split_once("# Exit codes").expect("the table");
        let numbers = table.lines().filter_map(|line| {
            let cell = line.strip_prefix("| ")?.split(' ').next()?;
            cell.parse::<u8>().ok()
        });
        let numbers: Vec<u8> = numbers.collect();
        assert_eq!(numbers, ENDS.map(|(number, _)| number));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_said_before_anything_is_done() {
        let folder = tempfile::tempdir().expect("a folder");
        let opened = ResultFile::open(&folder.path().join("absent/result"));
        let problem = opened.err().expect("no such folder");
        assert_eq!(problem.field, "--result");
    }
}

//! The virtual environment that holds the emulators.

use std::{
    env,
    fs::{self, File},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io,
    path::{Path, PathBuf},
    process::Command,
};

const REQUIREMENTS: &str = include_str!("../requirements.txt");

/// An environment with everything in `requirements.txt`, in exactly those versions.
#[derive(Debug)]
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// Returns the environment for these requirements and the Python of this machine, and makes it if
    /// it does not exist yet; or else the reason why there is none.
    ///
    /// A marker is written last, and everything is done under a file lock, which the system releases
    /// when its holder ends. So no run uses half an environment that a killed run left or another run
    /// is making.
    pub(crate) fn ready() -> Result<Self, String> {
        let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let version = run(Command::new(&python).arg("-VV"))?;
        let mut hasher = DefaultHasher::new();
        (REQUIREMENTS, &version).hash(&mut hasher);

        let parent = emulators();
        let folder = parent.join(format!("{:016x}", hasher.finish()));
        let marker = folder.join("complete");
        let failed = |error: io::Error| format!("make {}: {error}", folder.display());
        fs::create_dir_all(&parent).map_err(failed)?;
        let lock = File::create(folder.with_extension("lock")).map_err(failed)?;
        lock.lock().map_err(failed)?;
        if !marker.exists() {
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(failed)?;
            }
            run(Command::new(&python).args(["-m", "venv"]).arg(&folder))?;
            Self::install(&folder)?;
            fs::write(&marker, &version).map_err(failed)?;
        }
        Ok(Self { folder })
    }

    fn install(folder: &Path) -> Result<(), String> {
        let requirements = folder.join("requirements.txt");
        fs::write(&requirements, REQUIREMENTS).map_err(|error| error.to_string())?;
        let installed = run(Command::new(python_in(folder))
            .args(["-m", "pip", "install", "--quiet", "--no-input"])
            .args(["--disable-pip-version-check", "--require-hashes"])
            .args(["--only-binary", ":all:", "--requirement"])
            .arg(&requirements));
        // A wrong hash must fail the tests, and never skip them.
        if let Err(reason) = &installed {
            assert!(!reason.contains("DO NOT MATCH THE HASHES"), "{reason}");
        }
        installed.map(drop)
    }

    pub(crate) fn python(&self) -> PathBuf {
        python_in(&self.folder)
    }
}

/// A folder for environments in the target folder of this build.
fn emulators() -> PathBuf {
    let temporary = Path::new(env!("CARGO_TARGET_TMPDIR"));
    temporary.parent().unwrap_or(temporary).join("emulators")
}

fn python_in(folder: &Path) -> PathBuf {
    folder.join("bin").join("python3")
}

/// Returns the output of a command, or else the error, with the end of its standard error.
fn run(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .output()
        .map_err(|error| format!("run {program}: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let complaint = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    let lines: Vec<&str> = complaint.lines().collect();
    let end = lines[lines.len().saturating_sub(8)..].join("\n");
    Err(format!("{program} ended with {}: {end}", output.status))
}

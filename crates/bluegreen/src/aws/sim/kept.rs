//! [`KeptSimulation`]: a simulated world in a folder, for several processes.

use std::{
    fs::{self, File},
    io,
    ops::Deref,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{
    Scenario, Simulation,
    log::file::{Lock, Log},
};
use crate::error::{Error, ErrorKind, ParseError, Result};

/// A simulated world that is kept in a folder: processes that open it one after the other, or at the
/// same time, see the same world.
///
/// The folder holds `world.json`, which names the world, and `done.jsonl`, one line for each event
/// that was done to it. The consequences are not kept: a world is the same for the same scenario,
/// seed and log, so each process computes them. The world's own events happen even if the process
/// that caused them is gone: a dead-man switch fires at its time.
///
/// # Time
///
/// Each process waits on its own clock, at its own [pace](Simulation::pace), but the world never goes
/// back in time: a process that is behind another jumps forward at its next look, as if it had been
/// suspended. At the same pace processes differ by about a quarter of a second of real time. Nothing
/// passes while no process has the world open, so a night costs nothing; after a kill the world is as
/// old as its last line says. In a process without a pace time passes as soon as it waits, and all
/// other processes jump with it: let such a process be the only one.
///
/// # What is not kept
///
/// [Faults](Simulation::fail), [lags](Simulation::lag), [stops](Simulation::stop_at) and changes of a
/// machine's [clock](Simulation::set_clock) belong to the handle on which they were set; those of the
/// scenario itself hold everywhere. A request with a field that the file cannot hold is refused with
/// the code `NotKept`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use bluegreen::{TrafficSplit, TrafficSplitter, traffic::Shift};
/// use bluegreen::aws::{alb::AlbTrafficSplitter, sim::{Scenario, Simulation}};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let here = Simulation::kept(folder, Scenario::Healthy, 1)?;
/// here.start_paused();
/// let (rule, blue, green) = (here.rule(), here.blue(), here.green());
/// let splitter = AlbTrafficSplitter::new(&here.aws(), rule, blue, green)?;
/// let before = splitter.observe().await?;
/// splitter.shift(&Shift::rise(&before, TrafficSplit::ALL_GREEN)).await?;
///
/// let elsewhere = Simulation::open(folder)?;
/// assert_eq!(elsewhere.weights(), here.weights());
///
/// // A folder holds one world.
/// let error = Simulation::kept(folder, Scenario::Drift, 1).unwrap_err();
/// assert!(error.to_string().contains("`healthy`"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct KeptSimulation {
    simulation: Simulation,
    folder: PathBuf,
    scenario: Scenario,
    seed: u64,
}

/// The content of `world.json`.
#[derive(Debug, Serialize, Deserialize)]
struct World {
    format: u32,
    scenario: String,
    seed: u64,
}

/// The format of both files. A later format is refused.
const FORMAT: u32 = 1;
const WORLD: &str = "world.json";
const DONE: &str = "done.jsonl";

impl Simulation {
    /// Opens the world that is kept in `folder`, or begins it if there is none yet. Blocks while the
    /// disk works.
    ///
    /// # Errors
    ///
    /// `Invalid` if the folder keeps another world, or one of another version, or cannot be read and
    /// written. Nothing is overwritten.
    pub fn kept(folder: impl AsRef<Path>, scenario: Scenario, seed: u64) -> Result<KeptSimulation> {
        let folder = folder.as_ref();
        let failed = |error| failed("make the folder", folder, error);
        fs::create_dir_all(folder).map_err(failed)?;
        KeptSimulation::at(folder, Some((scenario, seed)))
    }

    /// Opens the world that is kept in `folder`. Blocks while the disk works.
    ///
    /// # Errors
    ///
    /// `NotFound` if the folder keeps no world; else as [`kept`](Self::kept).
    pub fn open(folder: impl AsRef<Path>) -> Result<KeptSimulation> {
        KeptSimulation::at(folder.as_ref(), None)
    }
}

impl KeptSimulation {
    fn at(folder: &Path, wanted: Option<(Scenario, u64)>) -> Result<Self> {
        let path = folder.join(DONE);
        let mut options = File::options();
        options.read(true).write(true).create(wanted.is_some());
        let file = options.open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => none(folder),
            _ => failed("open", &path, error),
        })?;
        let lock = Lock::take(&file).map_err(|why| {
            let message = format!("lock {}: {why}", path.display());
            Error::new(ErrorKind::Invalid, message)
        })?;
        let (scenario, seed) = this_world(folder, &file, wanted)?;
        drop(lock);
        let simulation = scenario.simulation(seed).kept_in(Log::new(file, path));
        let kept = Self {
            simulation,
            folder: folder.to_owned(),
            scenario,
            seed,
        };
        match kept.simulation.trouble() {
            Some(why) => Err(Error::new(ErrorKind::Invalid, why)),
            None => Ok(kept),
        }
    }

    /// The folder of the world.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder for journals of this world, beside it: with
    /// [`JournalStore::local`](crate::store::JournalStore::local) they last as long as the world.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        Self::journal_in(&self.folder)
    }

    /// The folder for journals of the world that is, or will be, in `folder`.
    pub(crate) fn journal_in(folder: &Path) -> PathBuf {
        folder.join("journal")
    }

    /// The scenario of the world.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        self.scenario
    }

    /// The seed of the world's randomness.
    #[must_use]
    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }
}

impl Deref for KeptSimulation {
    type Target = Simulation;

    fn deref(&self) -> &Simulation {
        &self.simulation
    }
}

/// Reads the world that the folder holds, or begins the wanted one. The lock must be held.
fn this_world(
    folder: &Path,
    log: &File,
    wanted: Option<(Scenario, u64)>,
) -> Result<(Scenario, u64)> {
    let path = folder.join(WORLD);
    let text = match (fs::read_to_string(&path), wanted) {
        (Ok(text), _) => text,
        (Err(error), Some(wanted)) if error.kind() == io::ErrorKind::NotFound => {
            let length = log
                .metadata()
                .map_err(|error| failed("read", folder, error))?;
            if length.len() > 0 {
                let message = format!("{} has no {WORLD} beside it", folder.join(DONE).display());
                return Err(Error::new(ErrorKind::Invalid, message).with_hint(anew(folder)));
            }
            begin(&path, wanted).map_err(|error| failed("write", &path, error))?;
            return Ok(wanted);
        }
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => return Err(none(folder)),
        (Err(error), _) => return Err(failed("read", &path, error)),
    };
    let unknown = |why: String| {
        let message = format!(
            "{} holds no world that this version knows: {why}",
            path.display()
        );
        Error::new(ErrorKind::Invalid, message).with_hint(anew(folder))
    };
    let format = serde_json::from_str::<serde_json::Value>(&text)
        .map_err(|error| unknown(error.to_string()))?;
    let format = &format["format"];
    if *format != FORMAT {
        return Err(unknown(format!("its format is {format}, not {FORMAT}")));
    }
    let world: World = serde_json::from_str(&text).map_err(|error| unknown(error.to_string()))?;
    let scenario: Scenario = world
        .scenario
        .parse()
        .map_err(|error: ParseError| unknown(error.to_string()))?;
    let found = (scenario, world.seed);
    match wanted {
        Some(wanted) if wanted != found => {
            let message = format!(
                "folder {} keeps the world `{scenario}` with seed {}, not `{}` with seed {}",
                folder.display(),
                world.seed,
                wanted.0,
                wanted.1
            );
            let hint = format!("give another folder, or {}", anew(folder));
            Err(Error::new(ErrorKind::Invalid, message).with_hint(hint))
        }
        _ => Ok(found),
    }
}

/// Writes the file whole or not at all, even if this process dies.
fn begin(path: &Path, (scenario, seed): (Scenario, u64)) -> io::Result<()> {
    let world = World {
        format: FORMAT,
        scenario: scenario.name().to_owned(),
        seed,
    };
    let text = format!("{}\n", serde_json::to_string(&world)?);
    let new = path.with_extension("json.new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

fn anew(folder: &Path) -> String {
    format!("delete folder {} to begin anew", folder.display())
}

fn none(folder: &Path) -> Error {
    let message = format!("no simulated world is kept in {}", folder.display());
    let names: Vec<_> = Scenario::ALL.iter().map(|one| one.name()).collect();
    let hint = format!("begin one of {}", names.join(", "));
    Error::new(ErrorKind::NotFound, message).with_hint(hint)
}

fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let message = format!("{what} {}", path.display());
    let hint = "give a folder that this user may write";
    Error::new(ErrorKind::Invalid, message)
        .with_hint(hint)
        .with_source(error)
}

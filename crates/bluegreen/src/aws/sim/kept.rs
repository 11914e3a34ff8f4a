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
use crate::error::{Error, ErrorKind, Result};

/// A simulated world that is kept in a folder: processes that open it one after the other, or at the
/// same time, see the same world.
///
/// The folder holds `world.json`, which says what world it is, and `done.jsonl`, one line for each
/// thing that was done to it. What follows from that is not kept: a world is the same for the same
/// scenario, seed and log, so each process works it out. What the world itself does, happens even
/// if the process that caused it is gone: a dead-man switch fires at its time.
///
/// # Time
///
/// Each process waits on its own clock, at its own [pace](Simulation::pace), and nobody sees the world
/// older than a process before has seen it: a process that is behind jumps forward at its next look,
/// as if it had been suspended. At the same pace they differ by about a quarter of a second of real
/// time. Nothing passes while no process has the world open, so a night costs nothing; after a kill
/// the world is as old as its last line says. A process without a pace, whose time passes as soon as
/// it waits, takes all others with it: let it be the only one.
///
/// # What is not kept
///
/// [Faults](Simulation::fail), [lags](Simulation::lag), [stops](Simulation::stop_at) and what sets the
/// [clock](Simulation::set_clock) of a machine belong to the handle that they were given to; those of
/// the scenario itself hold everywhere. A request with a field that the file cannot hold is refused
/// with the code `NotKept`.
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

/// What `world.json` says.
#[derive(Debug, Serialize, Deserialize)]
struct World {
    format: u32,
    scenario: String,
    seed: u64,
}

/// The form of both files. A later one is refused.
const FORMAT: u32 = 1;
const WORLD: &str = "world.json";
const DONE: &str = "done.jsonl";

impl Simulation {
    /// A world that is kept in `folder`: it begins if there is none yet, else it is opened. It blocks
    /// for as long as the disk does.
    ///
    /// # Errors
    ///
    /// `Invalid` if another world is kept there, another version has written it, or the folder cannot
    /// be read and written. Nothing is overwritten.
    pub fn kept(folder: impl AsRef<Path>, scenario: Scenario, seed: u64) -> Result<KeptSimulation> {
        let folder = folder.as_ref();
        let failed = |error| failed("make the folder", folder, error);
        fs::create_dir_all(folder).map_err(failed)?;
        KeptSimulation::at(folder, Some((scenario, seed)))
    }

    /// The world that is kept in `folder`. It blocks for as long as the disk does.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none; else as [`kept`](Self::kept).
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

    /// Where it is kept.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder for its journals, beside the world: with
    /// [`JournalStore::local`](crate::store::JournalStore::local) they last as long as it does.
    #[must_use]
    pub fn journal(&self) -> PathBuf {
        Self::journal_in(&self.folder)
    }

    /// The same of the world that is, or will be, in `folder`.
    pub(crate) fn journal_in(folder: &Path) -> PathBuf {
        folder.join("journal")
    }

    /// The scenario that it began with.
    #[must_use]
    pub fn scenario(&self) -> Scenario {
        self.scenario
    }

    /// The seed of its randomness.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }
}

impl Deref for KeptSimulation {
    type Target = Simulation;

    fn deref(&self) -> &Simulation {
        &self.simulation
    }
}

/// The world that the folder holds; it begins with the one wanted. The lock must be held.
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
            "{} is of no world that this version knows: {why}",
            path.display()
        );
        Error::new(ErrorKind::Invalid, message).with_hint(anew(folder))
    };
    let format = serde_json::from_str::<serde_json::Value>(&text);
    let format = format.map_err(|error| unknown(error.to_string()))?;
    let format = &format["format"];
    if *format != FORMAT {
        return Err(unknown(format!("its format is {format}, not {FORMAT}")));
    }
    let world: World = serde_json::from_str(&text).map_err(|error| unknown(error.to_string()))?;
    let scenario: Scenario = world
        .scenario
        .parse()
        .map_err(|error: super::UnknownScenario| unknown(error.to_string()))?;
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

/// Whole or not at all, even if this process dies.
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

//! The compiled part of the Python package `bluegreen`: thin over the library, without logic of its own.
//!
//! `python/bluegreen/_bluegreen.pyi` is its contract. A run lives in a thread with a runtime of its own; no
//! thread waits while it holds the interpreter.

mod attach;
mod control;
mod convert;
mod deployer;
mod deployment;
mod engine;
mod errors;
mod gate;
mod home;
mod journal;
mod log;
mod migration;
mod promise;
mod role;
mod run;
mod simulated;
mod spec;
mod splitter;
mod values;
mod world;

use pyo3::prelude::*;

#[pymodule]
fn _bluegreen(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<control::Answer>()?;
    module.add_class::<control::Handle>()?;
    module.add_class::<deployment::Deployment>()?;
    module.add_class::<journal::Journal>()?;
    module.add_class::<journal::Replay>()?;
    module.add_class::<migration::Migration>()?;
    module.add_class::<run::Events>()?;
    module.add_class::<spec::Spec>()?;
    module.add_class::<values::DeploymentEvent>()?;
    module.add_class::<values::DeploymentOutcome>()?;
    module.add_class::<values::Event>()?;
    module.add_class::<values::Look>()?;
    module.add_class::<values::Observation>()?;
    module.add_class::<values::Outcome>()?;
    module.add_class::<values::Plan>()?;
    module.add_class::<values::Problem>()?;
    module.add_class::<values::Progress>()?;
    module.add_class::<values::Shift>()?;
    module.add_class::<values::Traffic>()?;
    module.add_class::<values::Verdict>()?;
    module.add_class::<world::Aws>()?;
    module.add_class::<world::Simulation>()?;
    module.add_function(wrap_pyfunction!(journal::replay, module)?)?;
    module.add_function(wrap_pyfunction!(run::shutdown, module)?)?;
    module.add_function(wrap_pyfunction!(spec::schema, module)?)?;
    module.add_function(wrap_pyfunction!(world::scenarios, module)?)?;
    attach::is_new_process();
    log::install();
    py.import("atexit")?
        .call_method1("register", (module.getattr("_shutdown")?,))?;
    Ok(())
}

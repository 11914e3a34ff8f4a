//! Writes the history of one run of a workflow as JSON, for `tests/replay.rs`. Temporal's own client writes another
//! JSON, which the replayer does not read.
//!
//! ```text
//! cargo run --example record -- WORKFLOW RUN > tests/histories/NAME.json
//! ```

#![expect(clippy::print_stdout, reason = "an example prints")]

use temporalio_client::{
    Client, ClientOptions, Connection, WorkflowExecutionInfo, WorkflowFetchHistoryOptions,
    envconfig::LoadClientConfigProfileOptions,
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let (workflow, run) = (arguments.next(), arguments.next());
    let workflow = workflow.ok_or("name a workflow and its run")?;
    let run = run.ok_or("name the run of the workflow")?;
    let options = LoadClientConfigProfileOptions::default();
    let (connection, options) = ClientOptions::load_from_config(options)?;
    let namespace = options.namespace.clone();
    let client = Client::new(Connection::connect(connection).await?, options)?;
    let info = WorkflowExecutionInfo::builder()
        .namespace(namespace)
        .workflow_id(workflow)
        .run_id(run)
        .build();
    let handle = info.bind_untyped(client);
    let history = handle.fetch_history(WorkflowFetchHistoryOptions::default());
    println!("{}", String::from_utf8(history.to_json().await?)?);
    Ok(())
}

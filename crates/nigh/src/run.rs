//! What `App::run` does with a command line: prints, or runs until it is told to stop.

use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::args::{Command, help};
use crate::config::{Config, LogFormat};
use crate::error::{Error, Result};

/// A file would grow beyond RLIMIT_FSIZE. Linux, but for MIPS.
#[cfg(target_os = "linux")]
const SIGXFSZ: i32 = 25;

pub(crate) async fn run(app: App, command: Command) -> Result {
    match command {
        Command::Help => print(&help(&app.name)),
        Command::PrintConfig(config) => print(&format!("{}\n", config.show())),
        Command::Describe => print(&describe(&app)?),
        Command::Run(config) => until_told(app, config).await,
    }
}

fn print(text: &str) -> Result {
    use std::io::Write;
    // Whoever reads may have gone: `shop --help | head -1`.
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::io("standard output", e)),
        _ => Ok(()),
    }
}

/// The schemas as text, one method a line: what `nigh check` and people read.
fn describe(app: &App) -> Result<String> {
    app.check()?;
    let catalogue = app.catalogue()?;
    let mut text = format!("application {}\n", app.name);
    for contract in catalogue.contracts() {
        match &contract.kind {
            nigh_wire::ContractKind::Entity { key, state, home } => {
                let home = home.map_or(String::new(), |home| format!(" home {home}"));
                text += &format!("entity {} key {key}{home} state {state}\n", contract.name);
            }
            nigh_wire::ContractKind::Service => text += &format!("service {}\n", contract.name),
        }
        for method in &contract.methods {
            let err = method.err.as_ref().map_or(String::new(), |e| format!(" or {e}"));
            text += &format!("  {:?} {} {} -> {}{err}\n", method.class, method.name, method.args, method.ok);
        }
    }
    Ok(text)
}

async fn until_told(app: App, config: Config) -> Result {
    // An embedding program may have its own subscriber: then its lines are as it likes.
    let lines = tracing_subscriber::fmt().with_writer(std::io::stderr);
    // A line that cannot be written is lost; told on the same standard error, that would panic the thread that logs.
    let lines = lines.log_internal_errors(false); // mutant lost-line-panics: let lines = lines.log_internal_errors(true);
    let _ = match config.log {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    let on = |kind| signal(kind).map_err(|e| Error::io("signals", e));
    let (mut terminate, mut interrupt) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
    // Untaken it ends the process; taken, a file that meets the limit of its size is one on a full disk.
    #[cfg(target_os = "linux")]
    let _file_size = on(SignalKind::from_raw(SIGXFSZ))?;
    let name = app.name.clone();
    let mut node = app.start(config).await?;
    if let Some(address) = node.link() {
        tracing::info!("{name}: other processes may connect to {address}");
    }
    match node.listen() {
        Some(address) => tracing::info!("{name}: listening on http://{address}"),
        None => tracing::info!("{name}: running"),
    }
    tokio::select! {
        biased; // Told to stop wins over failing at the same moment.
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        error = node.failed() => {
            node.stop().await?;
            return Err(error);
        }
    }
    tracing::info!("{name}: stopping");
    node.stop().await
}

#[cfg(test)]
mod tests;

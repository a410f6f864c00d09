//! The side of the machine: how fast it syncs, and how fast it echoes the bytes of a small call.
//!
//! The echo runs in a second process, as a link would: this program again, with [`SERVE`].

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Measured, Ran};
use crate::subjects;

/// First argument of a process that serves.
pub const SERVE: &str = "serve";

/// Writes of one block; a page of the disk and of every store.
const BLOCK_SIZE: usize = 4096;
/// The file is written before it is measured: syncing a growing file costs twice as much (it changes the
/// file's size on disk too), and every store reuses its blocks.
const BLOCKS: u64 = 4096;

/// A small call: 4 bytes of length, then 8 of a number and 32 of text.
const ECHO_SIZE: usize = 44;

/// One thread writes a block and syncs it, over and over.
pub fn syncs(folder: &Path, span: Duration) -> Ran {
    let told = |error: std::io::Error| format!("{}: {error}", folder.display());
    std::fs::create_dir_all(folder).map_err(told)?;
    let path = folder.join("raw");
    let zeroed = std::fs::metadata(&path).is_ok_and(|meta| meta.len() == BLOCKS * BLOCK_SIZE as u64);
    let file = File::options().create(true).truncate(false).write(true).open(&path).map_err(told)?;
    if !zeroed {
        for block in 0..BLOCKS {
            file.write_all_at(&[0; BLOCK_SIZE], block * BLOCK_SIZE as u64).map_err(told)?;
        }
        file.sync_all().map_err(told)?;
    }
    let (begun, mut nanos) = (Instant::now(), Vec::new());
    while begun.elapsed() < span {
        let (asked, count) = (Instant::now(), nanos.len() as u64);
        let filled = [count as u8; BLOCK_SIZE];
        file.write_all_at(&filled, count % BLOCKS * BLOCK_SIZE as u64).map_err(told)?;
        file.sync_data().map_err(told)?;
        nanos.push(asked.elapsed().as_nanos() as u64);
    }
    Ok(Measured::new(nanos.len() as u64, begun.elapsed()).with_latencies(nanos))
}

/// So many callers on one connection, each with one frame under way; frames leave together where they can.
pub fn echo(callers: usize, span: Duration) -> Ran {
    let child = ServeChild::start("echo")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let ran = runtime.block_on(echo_client(child.address, callers, span));
    Ok(ran.map_err(|error| format!("echo: {error}"))?)
}

async fn echo_client(address: SocketAddr, callers: usize, span: Duration) -> std::io::Result<Measured> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut frame = [7; ECHO_SIZE];
    frame[..4].copy_from_slice(&(ECHO_SIZE as u32 - 4).to_le_bytes());
    let begun = Instant::now();
    stream.write_all(&frame.repeat(callers)).await?;
    let (mut read, mut buffer) = (0, vec![0; 64 << 10]);
    while begun.elapsed() < span {
        let more = stream.read(&mut buffer).await?;
        if more == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        // Each frame that came back whole lets its caller ask again.
        let whole = (read + more) / ECHO_SIZE - read / ECHO_SIZE;
        read += more;
        stream.write_all(&frame.repeat(whole)).await?;
    }
    Ok(Measured::new((read / ECHO_SIZE) as u64, begun.elapsed()))
}

/// Serves in this process until its standard input ends, which it does with the process that started it.
pub fn serve(role: &str) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.expect("a runtime can be built at start");
    std::thread::spawn(|| {
        let mut line = String::new();
        // Whatever comes, even an error, means that nobody waits for this process any more.
        let _ = std::io::stdin().read_line(&mut line);
        std::process::exit(0);
    });
    let served = match role {
        "echo" => runtime.block_on(echo_server()),
        subjects::LINK => runtime.block_on(subjects::serve_link()),
        _ => Err(std::io::Error::other(format!("nothing serves as `{role}`"))),
    };
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: serve {role}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn echo_server() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    announce(listener.local_addr()?)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(async move {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(size) = stream.read(&mut buffer).await {
                if size == 0 || stream.write_all(&buffer[..size]).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// Tells the process that started this one where it listens.
pub fn announce(address: SocketAddr) -> std::io::Result<()> {
    let mut stdout = std::io::stdout();
    writeln!(stdout, "{address}")?;
    stdout.flush()
}

/// This program again, in another process. Dropped, it ends.
#[derive(Debug)]
pub struct ServeChild {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl ServeChild {
    /// Starts it, and waits until it listens.
    pub fn start(role: &str) -> Result<Self, String> {
        let told = |error: std::io::Error| format!("serve {role}: {error}");
        let program = std::env::current_exe().map_err(told)?;
        let mut command = Command::new(program);
        command.args([SERVE, role]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(told)?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).map_err(told)?;
        let address = line.trim().parse().map_err(|_| format!("serve {role}: it did not start"))?;
        Ok(ServeChild { child, address })
    }
}

impl Drop for ServeChild {
    fn drop(&mut self) {
        // Ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

//! The side of the machine: how fast it syncs, how fast it reads what it forgot, and how fast it echoes the bytes of a small call.
//!
//! The echo runs in a second process, as a link would.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Measured, Ran};
use crate::roles::{Role, say};

/// Writes of one block; a page of the disk and of every store.
const BLOCK_SIZE: usize = 4096;
/// The file is written before it is measured: syncing a growing file costs twice as much (it changes the
/// file's size on disk too), and every store reuses its blocks.
const BLOCKS: u64 = 4096;

/// Read at once, in bytes.
const READ_SIZE: usize = 256 << 10;

/// A small call: 4 bytes of length, then 8 of a number and 32 of text.
const ECHO_SIZE: usize = 44;

/// A file whose blocks are all there: what a log that reuses its blocks is at best.
#[derive(Debug)]
pub struct RawFile {
    file: File,
    /// Where the next write begins.
    block: u64,
}

impl RawFile {
    /// The one of this folder.
    pub fn open(folder: &Path) -> Result<Self, String> {
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
        Ok(RawFile { file, block: 0 })
    }

    /// Writes so many bytes in whole blocks, and syncs them.
    pub fn commit(&mut self, size: usize) -> Result<(), String> {
        let told = |error: std::io::Error| format!("the raw file: {error}");
        let blocks = size.div_ceil(BLOCK_SIZE) as u64;
        if self.block + blocks > BLOCKS {
            self.block = 0;
        }
        let bytes = vec![self.block as u8; blocks as usize * BLOCK_SIZE];
        self.file.write_all_at(&bytes, self.block * BLOCK_SIZE as u64).map_err(told)?;
        self.file.sync_data().map_err(told)?;
        self.block += blocks;
        Ok(())
    }
}

/// One thread writes a block and syncs it, over and over.
pub fn syncs(folder: &Path, span: Duration) -> Ran {
    let mut file = RawFile::open(folder)?;
    let (begun, mut nanos) = (Instant::now(), Vec::new());
    while begun.elapsed() < span {
        let asked = Instant::now();
        file.commit(BLOCK_SIZE)?;
        nanos.push(asked.elapsed().as_nanos() as u64);
    }
    Ok(Measured::new(nanos.len() as u64, begun.elapsed()).with_latencies(nanos))
}

/// Bytes a second that a file gives from its front to its back, once the system has forgotten what it knew of it.
pub fn cold_read(path: &Path) -> Result<f64, String> {
    let told = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = File::open(path).map_err(told)?;
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).map_err(|error| told(error.into()))?;
    let (begun, mut size, mut chunk) = (Instant::now(), 0, vec![0; READ_SIZE]);
    loop {
        let read = file.read(&mut chunk).map_err(told)?;
        if read == 0 {
            return Ok(size as f64 / begun.elapsed().as_secs_f64());
        }
        size += read;
    }
}

/// So many callers on one connection, each with one frame under way; frames leave together where they can.
pub fn echo(callers: usize, span: Duration) -> Ran {
    let server = Role::start(&["echo"])?;
    let address = server.said.parse().map_err(|_| format!("echo: {} is no address", server.said))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let ran = runtime.block_on(echo_client(address, callers, span));
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

/// Role of the other process: what comes goes back.
pub async fn echo_server() -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(told)?;
    say(listener.local_addr().map_err(told)?)?;
    loop {
        let (mut stream, _) = listener.accept().await.map_err(told)?;
        stream.set_nodelay(true).map_err(told)?;
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

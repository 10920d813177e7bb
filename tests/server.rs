//! A server of files that can be away.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// Serves the files of a folder over HTTP, with ranges, to this machine.
pub struct Server {
    /// Its address, with a slash at the end.
    pub url: String,
    /// While it is set, connections are closed without a word.
    pub away: Arc<AtomicBool>,
    /// Connections that were.
    pub refused: Arc<AtomicUsize>,
}

impl Server {
    /// Starts it; it goes with the test.
    ///
    /// # Panics
    /// If there is no port.
    pub fn new(folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("it is bound"));
        let (away, refused) = (Arc::new(AtomicBool::new(false)), Arc::<AtomicUsize>::default());
        let (off, count, folder) = (away.clone(), refused.clone(), folder.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if off.load(SeqCst) {
                    count.fetch_add(1, SeqCst);
                    continue;
                }
                let folder = folder.clone();
                // Who asks may be killed while it is answered.
                std::thread::spawn(move || serve(stream, &folder).ok());
            }
        });
        Self { url, away, refused }
    }
}

fn serve(mut stream: TcpStream, folder: &Path) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut range = None;
    for line in lines {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        range = line.strip_prefix("range: bytes=").map(str::to_owned).or(range);
    }
    let mut words = first.split(' ');
    let (head, path) = (words.next() == Some("HEAD"), words.next().unwrap_or_default());
    let path: PathBuf = folder.join(path.trim_start_matches('/'));
    let Ok(bytes) = std::fs::read(path) else {
        return stream.write_all(b"HTTP/1.1 404 None\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    let size = bytes.len();
    let part = range.as_deref().and_then(|range| range.split_once('-')).map(|(from, to)| {
        match (from.parse::<usize>(), to.parse::<usize>()) {
            (Ok(from), to) => from..to.map_or(size, |to| (to + 1).min(size)),
            (Err(_), to) => size.saturating_sub(to.unwrap_or(0))..size,
        }
    });
    let (status, more) = match &part {
        Some(part) => {
            ("206 Part", format!("content-range: bytes {}-{}/{size}\r\n", part.start, part.end - 1))
        }
        None => ("200 OK", String::new()),
    };
    let part = &bytes[part.unwrap_or(0..size)];
    let length = part.len();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{more}connection: close\r\n\r\n")?;
    if head { Ok(()) } else { stream.write_all(part) }
}

//! A server of files that can be away, at fault, or go over to other files.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// What goes wrong with every third request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The connection is closed without a word.
    Closes,
    /// The answer is 503.
    Busy,
    /// The connection is closed in the middle of the body.
    Cuts,
    /// A web page comes.
    Page,
    /// The first byte of a document is another.
    Garbles,
}

/// Serves the files of a folder over HTTP, with ranges, to this machine.
pub struct Server {
    /// Its address, with a slash at the end.
    pub url: String,
    /// While it is set, connections are closed without a word.
    pub away: Arc<AtomicBool>,
    /// Connections that were.
    pub refused: Arc<AtomicUsize>,
    /// What goes wrong with every third request.
    pub fault: Arc<Mutex<Fault>>,
    /// After so many more requests, files are those of the folder `other` in the folder.
    pub other_after: Arc<AtomicUsize>,
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
        let fault = Arc::new(Mutex::new(Fault::None));
        let other_after = Arc::new(AtomicUsize::new(usize::MAX));
        let (at_fault, left) = (fault.clone(), other_after.clone());
        let mut requests = 0usize;
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if off.load(SeqCst) {
                    count.fetch_add(1, SeqCst);
                    continue;
                }
                requests += 1;
                let fault = *at_fault.lock().unwrap_or_else(PoisonError::into_inner);
                let fault = if requests.is_multiple_of(3) { fault } else { Fault::None };
                let less = |left: usize| if left == usize::MAX { None } else { left.checked_sub(1) };
                let over = left.fetch_update(SeqCst, SeqCst, less) == Err(0);
                let folder = if over { folder.join("other") } else { folder.clone() };
                // Who asks may be killed while it is answered.
                std::thread::spawn(move || serve(stream, &folder, fault).ok());
            }
        });
        Self { url, away, refused, fault, other_after }
    }
}

fn serve(mut stream: TcpStream, folder: &Path, fault: Fault) -> std::io::Result<()> {
    if fault == Fault::Closes {
        return Ok(());
    }
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
    let (head_only, path) = (words.next() == Some("HEAD"), words.next().unwrap_or_default());
    let path: PathBuf = folder.join(path.trim_start_matches('/'));
    if fault == Fault::Busy {
        return stream.write_all(b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    }
    if fault == Fault::Page {
        let page = "<html>Sign in to go on</html>";
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            page.len()
        );
        return stream.write_all((head + if head_only { "" } else { page }).as_bytes());
    }
    let changed = std::fs::metadata(&path).and_then(|about| about.modified());
    let tag =
        changed.unwrap_or(SystemTime::UNIX_EPOCH).duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let document = path.extension().is_some_and(|e| e == "json");
    let Ok(mut bytes) = std::fs::read(path) else {
        return stream.write_all(b"HTTP/1.1 404 None\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    };
    let size = bytes.len();
    if fault == Fault::Garbles && document {
        bytes[0] ^= 1;
    }
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
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\netag: \"{}\"\r\n{more}connection: close\r\n\r\n",
        tag.as_nanos()
    )?;
    let length = if fault == Fault::Cuts { length / 2 } else { length };
    if head_only { Ok(()) } else { stream.write_all(&part[..length]) }
}

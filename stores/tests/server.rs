//! Stores against a server that does what servers do: drops connections, is busy, ignores ranges, lies.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use voxelry_stores::{Options, open_with};
use zarrs_storage::byte_range::ByteRange;
use zarrs_storage::{ReadableStorage, StoreKey};

/// What the server does with a request.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Mood {
    Good,
    /// Closes the connection without a word.
    Drops,
    /// Answers 503.
    Busy,
    /// Closes the connection in the middle of the body.
    Cuts,
    /// Says nothing for longer than anyone waits.
    Silent,
    /// Gives the whole object where a part was asked for.
    IgnoresRanges,
    /// Answers 403.
    Refuses,
    /// Answers with a web page.
    Page,
    /// Gives the first half of a part, and says that it is the part.
    Short,
    /// Gives another first byte.
    Garbles,
}

#[derive(Default)]
struct State {
    /// Content and version of each path.
    objects: Mutex<HashMap<String, (Vec<u8>, u32)>>,
    /// What is done with the next requests; then the last forever.
    moods: Mutex<Vec<Mood>>,
    /// Requests with a body in the answer, and all.
    gets: AtomicUsize,
    requests: AtomicUsize,
}

struct Server {
    state: Arc<State>,
    address: String,
}

impl Server {
    fn start(moods: &[Mood]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = format!("http://{}/data/image.zarr/", listener.local_addr().expect("bound"));
        let state = Arc::new(State { moods: Mutex::new(moods.to_vec()), ..State::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || {
                    let _ = serve(stream, &state);
                });
            }
        });
        let server = Self { state, address };
        server.put("0/c/0", &content(), 1);
        server
    }

    fn put(&self, key: &str, bytes: &[u8], version: u32) {
        let path = format!("/data/image.zarr/{key}");
        self.state.objects.lock().expect("no panic").insert(path, (bytes.to_vec(), version));
    }

    fn gets(&self) -> usize {
        self.state.gets.load(SeqCst)
    }
}

fn serve(mut stream: TcpStream, state: &State) -> std::io::Result<()> {
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
    state.requests.fetch_add(1, SeqCst);
    let mut words = first.split(' ');
    let (head, path) = (words.next() == Some("HEAD"), words.next().unwrap_or_default());
    let mood = {
        let mut moods = state.moods.lock().expect("no panic");
        if moods.len() > 1 { moods.remove(0) } else { moods[0] }
    };
    let empty = |status: &str| format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    match mood {
        Mood::Drops => return Ok(()),
        Mood::Busy => return stream.write_all(empty("503 Busy").as_bytes()),
        Mood::Refuses => return stream.write_all(empty("403 No").as_bytes()),
        Mood::Silent => std::thread::sleep(Duration::from_secs(20)),
        _ => {}
    }
    let Some((bytes, version)) = state.objects.lock().expect("no panic").get(path).cloned() else {
        return stream.write_all(empty("404 None").as_bytes());
    };
    let size = bytes.len();
    let (status, part, more) = match range.filter(|_| mood != Mood::IgnoresRanges) {
        None => ("200 OK", 0..size, String::new()),
        Some(range) => {
            let (from, to) = range.split_once('-').expect("a range");
            let part = match (from.parse::<usize>(), to.parse::<usize>()) {
                (Ok(from), Ok(to)) => from..(to + 1).min(size),
                (Ok(from), Err(_)) => from..size,
                (Err(_), Ok(last)) => size.saturating_sub(last)..size,
                _ => panic!("{range}"),
            };
            let more = format!("content-range: bytes {}-{}/{size}\r\n", part.start, part.end - 1);
            ("206 Part", part, more)
        }
    };
    let part = if mood == Mood::Short && status != "200 OK" {
        part.start..part.start + part.len() / 2
    } else {
        part
    };
    let more = if more.is_empty() {
        more
    } else {
        format!("content-range: bytes {}-{}/{size}\r\n", part.start, part.end - 1)
    };
    let page = b"<!DOCTYPE html><p>Sign in to go on";
    let (bytes, part, more) =
        if mood == Mood::Page { (page.to_vec(), 0..page.len(), String::new()) } else { (bytes, part, more) };
    let status = if mood == Mood::Page { "200 OK" } else { status };
    let length = part.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\netag: \"{version}\"\r\n{more}connection: close\r\n\r\n"
    )?;
    if !head {
        state.gets.fetch_add(1, SeqCst);
        let end = if mood == Mood::Cuts { part.start + length / 2 } else { part.end };
        let mut body = bytes[part.start..end].to_vec();
        if mood == Mood::Garbles {
            body[0] ^= 1;
        }
        stream.write_all(&body)?;
    }
    Ok(())
}

fn content() -> Vec<u8> {
    (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

fn store(server: &Server, cache: Option<&Path>, retry_timeout: u64) -> ReadableStorage {
    let options = Options {
        cache: cache.map(Into::into),
        budget: 10 << 20,
        retry_timeout: Duration::from_secs(retry_timeout),
        idle_timeout: Duration::from_secs(1),
    };
    open_with(&server.address, &options).expect("an address").0
}

fn key(text: &str) -> StoreKey {
    StoreKey::new(text).expect("a key")
}

/// Everything that is read of an object, by way of all kinds of ranges.
fn reads_all(store: &ReadableStorage) {
    let (content, key) = (content(), key("0/c/0"));
    assert!(*store.get(&key).expect("read").expect("there") == *content);
    let ranges = [
        (ByteRange::FromStart(10, Some(20)), 10..30),
        (ByteRange::FromStart(99_000, None), 99_000..100_000),
        (ByteRange::Suffix(7), 99_993..100_000),
    ];
    let asked = Box::new(ranges.clone().into_iter().map(|(range, _)| range));
    let parts = store.get_partial_many(&key, asked).expect("read").expect("there");
    for (part, (range, is)) in parts.zip(ranges) {
        assert!(*part.expect("read") == content[is], "{range}");
    }
    assert_eq!(store.size_key(&key).expect("read"), Some(100_000));
}

#[test]
fn whatever_passes_is_tried_again() {
    use Mood::{Busy, Cuts, Drops, Good, IgnoresRanges, Page, Short, Silent};
    let cases: &[&[Mood]] = &[
        &[Good],
        &[Drops, Good],
        &[Busy, Busy, Good],
        &[Cuts, Drops, Good],
        &[Silent, Good],
        &[Good, Cuts, Good],
        &[IgnoresRanges],
        &[Page, Page, Good],
        &[Good, Short, Page, Good],
    ];
    for moods in cases {
        let server = Server::start(moods);
        let store = store(&server, None, 10);
        reads_all(&store);
        assert_eq!(store.get(&key("0/c/1")).expect("no error"), None, "{moods:?}");
        assert_eq!(store.size_key(&key("0/c/1")).expect("no error"), None, "{moods:?}");
        let past = store.get_partial(&key("0/c/0"), ByteRange::FromStart(99_999, Some(2)));
        assert!(past.expect_err("past the end").to_string().contains("100000 bytes"), "{moods:?}");
    }
}

#[test]
fn a_lost_store_is_a_clear_error_before_long() {
    for mood in [Mood::Drops, Mood::Busy, Mood::Cuts, Mood::Silent, Mood::Page] {
        let server = Server::start(&[mood]);
        let begin = Instant::now();
        let error = store(&server, None, 2).get(&key("0/c/0")).expect_err("lost").to_string();
        assert!(error.contains("0/c/0: the store cannot be read"), "{mood:?}: {error}");
        assert!(begin.elapsed() < Duration::from_secs(10), "{mood:?}");
        assert!(server.state.requests.load(SeqCst) > 1, "{mood:?} was not tried again");
    }
    let server = Server::start(&[Mood::Refuses]);
    let error = store(&server, None, 20).get(&key("0/c/0")).expect_err("refused").to_string();
    assert!(error.contains("refuses access"), "{error}");
    assert_eq!(server.state.requests.load(SeqCst), 1, "what is refused is not asked again");
}

#[test]
fn what_was_read_is_read_from_disk_until_it_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let server = Server::start(&[Mood::Good]);
    reads_all(&store(&server, Some(folder.path()), 5));
    let first = server.gets();
    assert_eq!(first, 4, "one object and three ranges");
    reads_all(&store(&server, Some(folder.path()), 5));
    assert_eq!(server.gets(), first, "the second time all came from the cache");

    // Damaged entries are fetched again.
    for entry in std::fs::read_dir(folder.path()).expect("the cache").flatten() {
        let mut bytes = std::fs::read(entry.path()).expect("an entry");
        *bytes.last_mut().expect("not empty") ^= 1;
        std::fs::write(entry.path(), bytes).expect("written");
    }
    reads_all(&store(&server, Some(folder.path()), 5));
    assert_eq!(server.gets(), 2 * first);

    // So is an object that is another now, of the same size.
    let other = vec![3; 100_000];
    server.put("0/c/0", &other, 2);
    let got = store(&server, Some(folder.path()), 5).get(&key("0/c/0")).expect("read").expect("there");
    assert!(*got == *other);
}

#[test]
fn parts_of_two_versions_are_never_mixed() {
    let server = Server::start(&[Mood::Good]);
    let store = store(&server, None, 5);
    let part = |start| store.get_partial(&key("0/c/0"), ByteRange::FromStart(start, Some(10)));
    part(0).expect("read");
    server.put("0/c/0", &vec![3; 100_000], 2);
    assert!(part(10).expect_err("changed").to_string().contains("changed while it was read"));
    assert!(store.get(&key("0/c/0")).expect_err("changed").to_string().contains("changed while it was read"));
    server.state.objects.lock().expect("no panic").clear();
    assert!(store.get(&key("0/c/0")).expect_err("gone").to_string().contains("changed while it was read"));
}

#[test]
fn a_store_says_whether_what_was_read_of_it_is_what_it_was() {
    let server = Server::start(&[Mood::Good]);
    for number in 1..2000 {
        server.put(&format!("0/c/{number}"), &[1], 1);
    }
    let options = Options {
        cache: None,
        budget: 0,
        retry_timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(1),
    };
    let (store, check) = open_with(&server.address, &options).expect("an address");
    store.get(&key("0/c/0")).expect("read");
    check().expect("the same");
    server.put("0/c/1", &[2], 2);
    check().expect("it was not read");
    store.get(&key("0/c/1")).expect("read");
    server.put("0/c/1", &[3], 3);
    let requests = server.state.requests.load(SeqCst);
    assert!(check().expect_err("another").contains("0/c/1: changed while it was read"));
    // The two that were read, of which the changed one is asked three times.
    assert!(server.state.requests.load(SeqCst) - requests <= 4);
    server.state.objects.lock().expect("no panic").clear();
    assert!(check().is_err());
}

#[test]
fn a_document_that_was_damaged_on_its_way_is_asked_for_again_and_not_kept() {
    use Mood::{Garbles, Good};
    let document = br#"{"zarr_format": 3}"#;
    for moods in [&[Garbles, Good][..], &[Garbles, Garbles, Good]] {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(moods);
        server.put("zarr.json", document, 1);
        for round in 0..2 {
            let got = store(&server, Some(folder.path()), 5).get(&key("zarr.json")).expect("read");
            // What comes twice alike is what the store holds, as far as anybody can tell; it isn't kept.
            let damaged = moods.len() > 2 && round == 0;
            assert_eq!(*got.expect("there") == *document, !damaged, "{moods:?}, {round}");
        }
    }
}

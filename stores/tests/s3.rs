//! Stores against an S3 server: the command in `VOXELRY_S3_SERVER`, or `moto_server` where it is on the path.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use voxelry_stores::{Options, open_with};
use zarrs_storage::StoreKey;
use zarrs_storage::byte_range::ByteRange;

struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// A server that answers; none if there is no such program.
    fn start() -> Option<Self> {
        let program = std::env::var("VOXELRY_S3_SERVER").unwrap_or_else(|_| "moto_server".to_owned());
        let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
        let child = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()?;
        let server = Self { child, port };
        for _ in 0..300 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Some(server);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the S3 server does not answer");
    }

    /// A plain request, which the server takes without a signature; anyone may read what it puts.
    fn put(&self, path: &str, body: &[u8]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it answered before");
        let head = format!(
            "PUT {path} HTTP/1.1\r\nx-amz-acl: public-read\r\nhost: 127.0.0.1:{}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        stream.write_all(head.as_bytes()).expect("sent");
        stream.write_all(body).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains(" 200 "), "{path}: {answer}");
    }
}

/// Runs the part of this test that needs the environment, which cannot be set in a process with threads.
fn inner(anonymous: bool, port: u16) {
    let program = std::env::current_exe().expect("this test");
    let mut command = Command::new(program);
    command
        .args(["--ignored", "--exact", "reads_what_the_environment_names", "--nocapture"])
        .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}"))
        .env("AWS_REGION", "us-east-1");
    if anonymous {
        command.env("AWS_SKIP_SIGNATURE", "true");
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
    } else {
        command.env("AWS_ACCESS_KEY_ID", "made-up").env("AWS_SECRET_ACCESS_KEY", "made-up");
    }
    let output = command.output().expect("it runs");
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "anonymous {anonymous}: {text}");
}

#[test]
fn a_bucket_is_read_with_and_without_credentials() {
    let Some(server) = Server::start() else {
        println!("skipped: no S3 server (set VOXELRY_S3_SERVER, or install moto_server)");
        return;
    };
    server.put("/scans", b"");
    server.put("/scans/deep/image.zarr/0/c/0", &content());
    inner(false, server.port);
    inner(true, server.port);
}

#[test]
#[ignore = "run by the test above, with a server"]
fn reads_what_the_environment_names() {
    let folder = tempfile::tempdir().expect("a folder");
    let options = Options {
        cache: Some(folder.path().into()),
        budget: 1 << 20,
        retry_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(5),
    };
    let key = |text: &str| StoreKey::new(text).expect("a key");
    let content = content();
    for round in 0..2 {
        let store = open_with("s3://scans/deep/image.zarr/", &options).expect("an address").0;
        let whole = store.get(&key("0/c/0")).expect("read").expect("there");
        assert!(*whole == *content, "round {round}");
        for (range, is) in [
            (ByteRange::FromStart(5, Some(9)), 5..14),
            (ByteRange::FromStart(9_990, None), 9_990..10_000),
            (ByteRange::Suffix(4), 9_996..10_000),
        ] {
            let part = store.get_partial(&key("0/c/0"), range).expect("read").expect("there");
            assert!(*part == content[is], "{range} in round {round}");
        }
        assert_eq!(store.size_key(&key("0/c/0")).expect("read"), Some(10_000));
        assert_eq!(store.get(&key("0/c/1")).expect("no error"), None);
    }
    let other = open_with("s3://no-such-bucket/image.zarr", &options).expect("an address").0;
    assert!(!matches!(other.get(&key("zarr.json")), Ok(Some(_))));
}

fn content() -> Vec<u8> {
    (0..10_000u32).map(|i| (i * 31 % 251) as u8).collect()
}

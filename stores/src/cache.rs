//! What was read from stores, kept on disk within a budget.
//!
//! An entry is a file whose name is the hash of what it is of, and that begins with the hash of the
//! rest: one that is cut or damaged is as good as none. Files are made beside and renamed, so any
//! number of processes share a folder. An entry says which version of its object it is of; whoever
//! uses it compares.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

const HASH: usize = blake3::OUT_LEN;
/// Where entries begin that other programs, and later versions of this one, don't take for theirs.
const ENDING: &str = "v1";

/// A folder of entries.
pub struct Cache {
    folder: PathBuf,
    budget: u64,
    /// Bytes that may still be written before the folder is looked through.
    left: AtomicU64,
}

impl Cache {
    /// The cache in a folder, which is made with the first entry. A budget of 0 keeps nothing.
    pub fn new(folder: PathBuf, budget: u64) -> Self {
        Self { folder, budget, left: AtomicU64::new(0) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{}.{ENDING}", blake3::hash(name.as_bytes()).to_hex()))
    }

    /// An entry: the version of the object that it is of, and its bytes.
    pub fn read(&self, name: &str) -> Option<(String, Vec<u8>)> {
        if self.budget == 0 {
            return None;
        }
        let path = self.path(name);
        let content = fs::read(&path).ok()?;
        let Some(entry) = parse(&content) else {
            // Damaged: it only takes up room.
            let _ = fs::remove_file(&path);
            return None;
        };
        // That it was used is all that its time says.
        let _ = File::options().append(true).open(&path).and_then(|f| f.set_modified(SystemTime::now()));
        Some(entry)
    }

    /// Keeps an entry. What cannot be kept, on a full disk, say, is read from the store again.
    pub fn write(&self, name: &str, version: &str, bytes: &[u8]) {
        let size = (HASH + 4 + version.len() + bytes.len()) as u64;
        // One object must not push all others out.
        if size > self.budget / 4 {
            return;
        }
        let room =
            self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(size));
        if room.is_err() {
            let left = self.evict(size);
            self.left.store(left, Ordering::Relaxed);
        }
        let _ = self.put(&self.path(name), version, bytes);
    }

    fn put(&self, path: &Path, version: &str, bytes: &[u8]) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        let length = (version.len() as u32).to_le_bytes();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&length).update(version.as_bytes()).update(bytes);
        let mut file = tempfile::Builder::new().prefix("part-").tempfile_in(&self.folder)?;
        for part in [hasher.finalize().as_bytes(), &length[..], version.as_bytes(), bytes] {
            file.write_all(part)?;
        }
        file.persist(path)?;
        Ok(())
    }

    /// Removes what was used longest ago until `coming` bytes fit, and says how many more may come
    /// before it must be called again: an eighth of the budget at most, since others write here too.
    fn evict(&self, coming: u64) -> u64 {
        let eighth = self.budget / 8;
        let mut entries: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for entry in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if let Ok(data) = entry.metadata()
                && data.is_file()
            {
                entries.push((data.modified().unwrap_or(SystemTime::UNIX_EPOCH), data.len(), entry.path()));
            }
        }
        entries.sort();
        let mut held: u64 = entries.iter().map(|e| e.1).sum();
        let goal = self.budget.saturating_sub(coming + eighth);
        for (_, size, path) in entries {
            if held <= goal {
                break;
            }
            if fs::remove_file(path).is_ok() {
                held -= size;
            }
        }
        eighth
    }
}

fn parse(content: &[u8]) -> Option<(String, Vec<u8>)> {
    let (hash, rest) = content.split_at_checked(HASH)?;
    if blake3::hash(rest).as_bytes() != hash {
        return None;
    }
    let (length, rest) = rest.split_at_checked(4)?;
    let length = u32::from_le_bytes(length.try_into().ok()?) as usize;
    let (version, bytes) = rest.split_at_checked(length)?;
    Some((String::from_utf8(version.to_vec()).ok()?, bytes.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(folder: &Path) -> u64 {
        fs::read_dir(folder)
            .expect("it is there")
            .flatten()
            .map(|e| e.metadata().expect("a file").len())
            .sum()
    }

    #[test]
    fn entries_come_back_and_damaged_ones_do_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let cache = Cache::new(folder.path().into(), 1 << 20);
        assert_eq!(cache.read("a"), None);
        cache.write("a", "tag", b"voxels");
        assert_eq!(cache.read("a"), Some(("tag".into(), b"voxels".to_vec())));
        let path = cache.path("a");
        let whole = fs::read(&path).expect("the entry");
        for at in 0..whole.len() {
            let mut broken = whole.clone();
            broken[at] ^= 1;
            fs::write(&path, broken).expect("written");
            assert_eq!(cache.read("a"), None, "byte {at} is wrong");
            fs::write(&path, &whole[..at]).expect("written");
            assert_eq!(cache.read("a"), None, "cut at {at}");
        }
    }

    #[test]
    fn the_budget_holds_and_what_is_used_stays() {
        let folder = tempfile::tempdir().expect("a folder");
        let budget = 64_000;
        let cache = Cache::new(folder.path().into(), budget);
        for i in 0..500 {
            cache.write(&i.to_string(), "tag", &[7; 1000]);
            // Times of files must differ for "least recently" to mean anything.
            std::thread::sleep(std::time::Duration::from_millis(2));
            assert!(cache.read("0").is_some(), "what is used all the time is gone after {i}");
            assert!(held(folder.path()) <= budget, "{} bytes after {i}", held(folder.path()));
        }
        assert!(cache.read("499").is_some());
        assert!(cache.read("1").is_none());
        cache.write("large", "tag", &vec![7; 20_000]);
        assert!(cache.read("large").is_none(), "larger than a quarter of the budget");
    }
}

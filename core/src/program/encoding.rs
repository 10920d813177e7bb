//! Partial results and states as bytes, so that they can cross processes.

use crate::{Error, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Encodes a partial result or a state.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).expect("plain data always encodes")
}

/// Decodes what [`encode`] wrote.
///
/// # Errors
/// If the bytes are not such a value (a message from another version).
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes)
        .map_err(|e| Error::Operator { op: "merge", reason: format!("a partial result can't be read: {e}") })
}

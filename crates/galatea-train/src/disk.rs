//! Reading and writing with errors that name the path.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{Error, Result};

/// The file's bytes.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::io("read", path, error))
}

/// The file's text.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error::io("read", path, error))
}

/// Makes the folder and those above it.
pub(crate) fn create_folders(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(|error| Error::io("create", path, error))
}

/// What is in the folder; nothing if there is no such folder.
pub(crate) fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|error| Error::io("list", folder, error))?,
    };
    list.map(|entry| entry.map(|entry| entry.path()).map_err(|error| Error::io("list", folder, error))).collect()
}

/// Last part of the path as text; empty where there is none.
pub(crate) fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// Writes a new file and waits until the disk has it.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = File::create(path).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    written.map_err(|error| Error::io("write", path, error))
}

/// Waits until the disk has the folder's list of names.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    // Only Unix opens folders as files; elsewhere the rename itself is durable.
    if cfg!(unix) {
        let synced = File::open(path).and_then(|folder| folder.sync_all());
        synced.map_err(|error| Error::io("write", path, error))?;
    }
    Ok(())
}

/// Removes a folder and what is in it.
pub(crate) fn remove_folder(path: &Path) -> Result<()> {
    fs::remove_dir_all(path).map_err(|error| Error::io("remove", path, error))
}

/// SHA-256 in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(Sha256::new().chain_update(bytes))
}

/// What the hash has come to, in hex.
pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

//! Downloads of well-known data sets, checked and resumable.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest, Sha256};
use ureq::{Agent, http::StatusCode};

use crate::{Error, Result, set::hex, settings::nearest};

/// How often a host is asked to go on with a file after the connection was cut.
const RESUMPTIONS: usize = 5;

/// A data set that can be fetched.
#[derive(Debug)]
pub struct Download {
    /// What the user calls it.
    pub name: &'static str,
    /// One line on what it is.
    pub summary: &'static str,
    /// Who made it and under which licence.
    pub licence: &'static str,
    /// Where its files are, to be tried in this order; each ends in `/`.
    pub hosts: &'static [&'static str],
    /// Class names in label order.
    pub classes: &'static [&'static str],
    /// Its files.
    pub files: &'static [RemoteFile],
}

/// One file of a [`Download`].
#[derive(Debug)]
pub struct RemoteFile {
    /// Its name, both at the host and here.
    pub name: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hex.
    pub sha256: &'static str,
}

/// How far a download is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress<'a> {
    /// The file's name.
    pub file: &'a str,
    /// Bytes of it that are here.
    pub bytes: u64,
    /// Its length.
    pub total: u64,
}

/// Fetches a data set of the [`CATALOGUE`] into a folder of its name in `home`, and gives that folder.
///
/// Files that are there and right are kept; what was fetched in part before is gone on with. A file has its name only
/// when its SHA-256 is right. `mirror` is asked in place of the usual hosts.
///
/// # Errors
/// If the name is unknown, no host hands out a file, or it cannot be written. The hint names the addresses and the
/// folder, so that the files can be brought by other means.
pub fn get(name: &str, home: &Path, mirror: Option<&str>, progress: &mut dyn FnMut(Progress<'_>)) -> Result<PathBuf> {
    let Some(download) = CATALOGUE.iter().find(|download| download.name == name) else {
        let names: Vec<&str> = CATALOGUE.iter().map(|download| download.name).collect();
        let hint = match nearest(name, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known are {}", names.join(", ")),
        };
        return Err(Error::usage(format!("there is no data set `{name}` to download")).with_hint(hint));
    };
    fetch(download, home, mirror, progress)
}

/// [`get`] of a data set that need not be in the catalogue.
///
/// # Errors
/// As [`get`].
pub fn fetch(
    download: &Download,
    home: &Path,
    mirror: Option<&str>,
    progress: &mut dyn FnMut(Progress<'_>),
) -> Result<PathBuf> {
    let folder = home.join(download.name);
    fs::create_dir_all(&folder).map_err(|error| Error::io("create", &folder, error))?;
    let hosts = mirror.as_ref().map_or(download.hosts, std::slice::from_ref);
    let agent = Agent::config_builder()
        .http_status_as_error(false)
        // The files are compressed as they are, and a resumed transfer must be of the same bytes.
        .accept_encoding("identity")
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_recv_response(Some(Duration::from_secs(30)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        .build()
        .new_agent();
    for file in download.files {
        fetch_file(&agent, hosts, file, &folder, progress).map_err(|failure| match failure {
            Failure::Local(error) => error,
            Failure::Remote(reasons) => offline(download, hosts, file, &folder, &reasons),
        })?;
    }
    Ok(folder)
}

/// Whether every file of a data set is in `home`, by name and length.
pub fn is_here(download: &Download, home: &Path) -> bool {
    let length = |file: &RemoteFile| fs::metadata(home.join(download.name).join(file.name)).map(|meta| meta.len());
    download.files.iter().all(|file| length(file).is_ok_and(|bytes| bytes == file.bytes))
}

/// Why a file is not here.
enum Failure {
    /// Something here: no other host will help.
    Local(Error),
    /// Something there or on the way.
    Remote(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Local(error)
    }
}

fn fetch_file(
    agent: &Agent,
    hosts: &[&str],
    file: &RemoteFile,
    folder: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> std::result::Result<(), Failure> {
    let path = folder.join(file.name);
    let part = folder.join(format!("{}.part", file.name));
    if length(&path) == file.bytes && sha256(&path)? == file.sha256 {
        progress(Progress { file: file.name, bytes: file.bytes, total: file.bytes });
        return Ok(());
    }
    let mut reasons = Vec::new();
    for host in hosts {
        let url = format!("{}/{}", host.trim_end_matches('/'), file.name);
        for _ in 0..=RESUMPTIONS {
            let before = length(&part);
            let transferred = transfer(agent, &url, file, &part, progress);
            let reason = match transferred {
                Ok(()) if sha256(&part)? == file.sha256 => {
                    fs::rename(&part, &path).map_err(|error| Error::io("write", &path, error))?;
                    return Ok(());
                }
                Ok(()) => {
                    fs::remove_file(&part).map_err(|error| Error::io("remove", &part, error))?;
                    "what came has a wrong checksum".to_owned()
                }
                Err(Failure::Remote(reason)) => reason,
                Err(local) => return Err(local),
            };
            let grown = length(&part) > before;
            if !grown {
                reasons.push(format!("{url}: {reason}"));
                break;
            }
        }
    }
    Err(Failure::Remote(reasons.join("; ")))
}

/// Brings `part` to its full length, beginning where it ends.
fn transfer(
    agent: &Agent,
    url: &str,
    file: &RemoteFile,
    part: &Path,
    progress: &mut dyn FnMut(Progress<'_>),
) -> std::result::Result<(), Failure> {
    let mut have = length(part);
    if have == file.bytes {
        return Ok(());
    }
    if have > file.bytes {
        have = 0;
    }
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header("Range", format!("bytes={have}-"));
    }
    let response = request.call().map_err(|error| Failure::Remote(error.to_string()))?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT => {
            let range = response.headers().get("content-range").and_then(|value| value.to_str().ok());
            if !range.is_some_and(|range| range.starts_with(&format!("bytes {have}-"))) {
                return Err(Failure::Remote("the host sent another part than the one asked for".into()));
            }
        }
        // The whole file, by a host that cannot resume.
        StatusCode::OK => have = 0,
        status => return Err(Failure::Remote(format!("the host answers {status}"))),
    }
    let failed = |error| Error::io("write", part, error);
    let mut out = OpenOptions::new().create(true).append(true).open(part).map_err(failed)?;
    out.set_len(have).map_err(failed)?;
    // One byte more than there should be tells a longer file from the right one.
    let mut body = response.into_body().into_reader().take(file.bytes - have + 1);
    let mut buffer = vec![0; 1 << 16];
    loop {
        progress(Progress { file: file.name, bytes: have, total: file.bytes });
        match body.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                out.write_all(&buffer[..count]).map_err(failed)?;
                have += count as u64;
            }
            Err(error) => return Err(Failure::Remote(format!("the connection was cut: {error}"))),
        }
    }
    match have == file.bytes {
        true => Ok(()),
        false if have < file.bytes => Err(Failure::Remote(format!("{have} of {} bytes came", file.bytes))),
        false => {
            drop(out);
            fs::remove_file(part).map_err(|error| Error::io("remove", part, error))?;
            Err(Failure::Remote(format!("more than the {} bytes of the file came", file.bytes)))
        }
    }
}

fn offline(download: &Download, hosts: &[&str], file: &RemoteFile, folder: &Path, reasons: &str) -> Error {
    let names: Vec<&str> = download.files.iter().map(|file| file.name).collect();
    Error::Remote {
        problem: format!("`{}` of `{}` cannot be downloaded: {reasons}", file.name, download.name),
        hint: format!(
            "try again, and it goes on where it stopped; or bring {} from {} by other means and put them into `{}`",
            names.join(", "),
            hosts.join(" or "),
            folder.display()
        ),
    }
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

fn sha256(path: &Path) -> Result<String> {
    let failed = |error| Error::io("read", path, error);
    let mut file = File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(hex(hash)),
            count => hash.update(&buffer[..count]),
        }
    }
}

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte.gz";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte.gz";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte.gz";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte.gz";

const fn file(name: &'static str, bytes: u64, sha256: &'static str) -> RemoteFile {
    RemoteFile { name, bytes, sha256 }
}

/// The data sets that [`get`] knows.
///
/// Lengths and SHA-256 as in TensorFlow Datasets' `url_checksums`; the hosts are those of torchvision's `MNIST`,
/// `FashionMNIST` and `KMNIST`, without `yann.lecun.com`, which no longer hands the files out.
pub const CATALOGUE: &[Download] = &[
    Download {
        name: "mnist",
        summary: "handwritten digits, 28x28 grey, 60,000 + 10,000",
        licence: "LeCun, Cortes, Burges; CC BY-SA 3.0",
        hosts: &[
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ],
        classes: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        files: &[
            file(TRAIN_IMAGES, 9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            file(TRAIN_LABELS, 28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            file(TEST_IMAGES, 1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            file(TEST_LABELS, 4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ],
    },
    Download {
        name: "fashion-mnist",
        summary: "articles of clothing, 28x28 grey, 60,000 + 10,000",
        licence: "Zalando SE; MIT",
        hosts: &[
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        ],
        classes: &[
            "T-shirt/top",
            "Trouser",
            "Pullover",
            "Dress",
            "Coat",
            "Sandal",
            "Shirt",
            "Sneaker",
            "Bag",
            "Ankle boot",
        ],
        files: &[
            file(TRAIN_IMAGES, 26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            file(TRAIN_LABELS, 29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            file(TEST_IMAGES, 4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            file(TEST_LABELS, 5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ],
    },
    Download {
        name: "kmnist",
        summary: "cursive Japanese characters, 28x28 grey, 60,000 + 10,000",
        licence: "ROIS-DS Center for Open Data in the Humanities; CC BY-SA 4.0",
        hosts: &["http://codh.rois.ac.jp/kmnist/dataset/kmnist/"],
        classes: &["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"],
        files: &[
            file(TRAIN_IMAGES, 18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
            file(TRAIN_LABELS, 29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
            file(TEST_IMAGES, 3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
            file(TEST_LABELS, 5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
        ],
    },
];

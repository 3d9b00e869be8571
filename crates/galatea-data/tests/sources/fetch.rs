//! Downloads, from a server of a few lines on this machine.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
};

use galatea_data::fetch::{Download, Progress, RemoteFile, fetch, get, is_here};

const NAME: &str = "a-idx3-ubyte.gz";
const LENGTH: u64 = 200_000;

fn contents() -> Vec<u8> {
    (0..LENGTH).map(|i| (i * i % 251) as u8).collect()
}

const RIGHT: Download = Download {
    name: "little",
    summary: "",
    licence: "",
    hosts: &[],
    classes: &[],
    files: &[RemoteFile {
        name: NAME,
        bytes: LENGTH,
        sha256: "a45477d9b0449be9fc0229ca0f104e8c0a389ddf9768221b3a34beb0287e92f7",
    }],
};

/// What the server does with one request, given the byte that it is to begin at.
type Answer = fn(&mut TcpStream, u64) -> std::io::Result<()>;

/// A server that answers one request after the other so, and refuses further ones; and the ranges that it was asked for.
fn serve(answers: &'static [Answer]) -> (String, Arc<Mutex<Vec<u64>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}/data/", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut start = 0;
            for line in BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok) {
                let line = line.to_lowercase();
                if let Some(range) = line.strip_prefix("range: bytes=") {
                    start = range.trim_end_matches('-').parse().unwrap();
                }
                if line.is_empty() {
                    break;
                }
            }
            log.lock().unwrap().push(start);
            // The client may hang up early: that is its right.
            let _ = answer(&mut stream, start);
        }
    });
    (base, asked)
}

fn send(stream: &mut TcpStream, status: &str, extra: &str, claimed: usize, body: &[u8]) -> std::io::Result<()> {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {claimed}\r\nConnection: close\r\n{extra}\r\n")?;
    stream.write_all(body)
}

fn whole(stream: &mut TcpStream, _: u64) -> std::io::Result<()> {
    send(stream, "200 OK", "", LENGTH as usize, &contents())
}

fn rest(stream: &mut TcpStream, start: u64) -> std::io::Result<()> {
    let body = &contents()[start as usize..];
    let range = format!("Content-Range: bytes {start}-{}/{LENGTH}\r\n", LENGTH - 1);
    send(stream, "206 Partial Content", &range, body.len(), body)
}

fn cut(stream: &mut TcpStream, _: u64) -> std::io::Result<()> {
    send(stream, "200 OK", "", LENGTH as usize, &contents()[..70_000])
}

fn cut_later(stream: &mut TcpStream, start: u64) -> std::io::Result<()> {
    let range = format!("Content-Range: bytes {start}-{}/{LENGTH}\r\n", LENGTH - 1);
    let start = start as usize;
    send(stream, "206 Partial Content", &range, LENGTH as usize - start, &contents()[start..start + 50_000])
}

fn wrong(stream: &mut TcpStream, _: u64) -> std::io::Result<()> {
    send(stream, "200 OK", "", LENGTH as usize, &vec![7; LENGTH as usize])
}

fn longer(stream: &mut TcpStream, _: u64) -> std::io::Result<()> {
    send(stream, "200 OK", "", LENGTH as usize + 5, &[contents(), vec![0; 5]].concat())
}

fn missing(stream: &mut TcpStream, _: u64) -> std::io::Result<()> {
    send(stream, "404 Not Found", "", 4, b"gone")
}

fn attempt(home: &Path, mirror: &str) -> Result<Vec<u64>, String> {
    let mut seen = Vec::new();
    let mut progress = |Progress { file, bytes, total }: Progress<'_>| {
        assert_eq!((file, total), (NAME, LENGTH));
        seen.push(bytes);
    };
    match fetch(&RIGHT, home, Some(mirror), &mut progress) {
        Ok(folder) => {
            assert_eq!(folder, home.join("little"));
            assert_eq!(std::fs::read(folder.join(NAME)).unwrap(), contents());
            assert_eq!(files(home), [NAME]);
            assert!(is_here(&RIGHT, home));
            Ok(seen)
        }
        Err(error) => {
            assert!(!home.join("little").join(NAME).exists() && !is_here(&RIGHT, home));
            Err(format!("{error} | {}", error.hint().unwrap()))
        }
    }
}

fn files(home: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(home.join("little")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_complete_download_is_kept_and_not_fetched_again() {
    let home = tempfile::tempdir().unwrap();
    let (base, asked) = serve(&[whole]);
    let seen = attempt(home.path(), &base).unwrap();
    assert!(seen.is_sorted() && seen.len() > 2 && seen.last() == Some(&LENGTH));
    assert_eq!(attempt(home.path(), &base).unwrap(), [LENGTH]);
    assert_eq!(*asked.lock().unwrap(), [0]);
}

#[test]
fn a_cut_connection_is_gone_on_with() {
    let home = tempfile::tempdir().unwrap();
    let (base, asked) = serve(&[cut, cut_later, rest]);
    attempt(home.path(), &base).unwrap();
    assert_eq!(*asked.lock().unwrap(), [0, 70_000, 120_000]);
}

#[test]
fn a_later_run_goes_on_where_the_first_stopped() {
    let home = tempfile::tempdir().unwrap();
    let (base, _) = serve(&[cut, missing]);
    let text = attempt(home.path(), &base).unwrap_err();
    assert!(text.contains("404") && text.contains("it goes on where it stopped"), "{text}");
    assert_eq!(files(home.path()), [format!("{NAME}.part")]);
    let (base, asked) = serve(&[rest]);
    attempt(home.path(), &base).unwrap();
    assert_eq!(*asked.lock().unwrap(), [70_000]);
}

#[test]
fn a_host_that_cannot_resume_sends_it_all() {
    let home = tempfile::tempdir().unwrap();
    let (base, _) = serve(&[cut, whole]);
    attempt(home.path(), &base).unwrap();
}

#[test]
fn a_wrong_checksum_or_length_is_thrown_away() {
    for (answer, reason) in
        [(&[wrong as Answer], "wrong checksum"), (&[longer as Answer], "more than the 200000 bytes")]
    {
        let home = tempfile::tempdir().unwrap();
        let text = attempt(home.path(), &serve(answer).0).unwrap_err();
        assert!(text.contains(reason), "{text}");
        assert!(files(home.path()).is_empty());
    }
}

#[test]
fn without_a_connection_it_says_what_to_bring_where() {
    let home = tempfile::tempdir().unwrap();
    let (base, _) = serve(&[]);
    let text = attempt(home.path(), &base).unwrap_err();
    let folder = home.path().join("little");
    assert!(text.starts_with(&format!("`{NAME}` of `little` cannot be downloaded: {base}{NAME}: ")), "{text}");
    assert!(text.contains(&format!("bring {NAME} from {base} by other means")), "{text}");
    assert!(text.ends_with(&format!("put them into `{}`", folder.display())), "{text}");
    // And what was brought is taken as it is.
    std::fs::write(folder.join(NAME), contents()).unwrap();
    attempt(home.path(), &base).unwrap();
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest() {
    let home = tempfile::tempdir().unwrap();
    let error = get("fashon-mnist", home.path(), None, &mut |_| {}).unwrap_err();
    assert_eq!(error.hint().unwrap(), "did you mean `fashion-mnist`?");
    assert!(get("cifar", home.path(), None, &mut |_| {}).unwrap_err().hint().unwrap().contains("kmnist"));
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 0);
}

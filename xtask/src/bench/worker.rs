//! A program that runs a case, ours or a peer's: requests to its stdin, answers from its stdout, one JSON object a line.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// Longest wait for an answer: compiling a network may take a minute or two, a slice of training as long.
const PATIENCE: Duration = Duration::from_secs(900);
/// Between two sides, so that threads of the last one have gone to sleep.
const PAUSE: Duration = Duration::from_millis(50);

/// A running program. It is ended when this is dropped.
pub(crate) struct Worker {
    /// For messages: `pytorch.py mlp-32 eager`.
    name: String,
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
    log: PathBuf,
    /// What it said first.
    pub(crate) hello: Hello,
}

/// What a worker says when it is ready.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Hello {
    /// Program and version.
    pub(crate) version: String,
    /// Trainable values by network.
    pub(crate) parameters: Value,
    /// Why it cannot run the case.
    pub(crate) absent: Option<String>,
}

/// The times of one turn.
#[derive(Debug, PartialEq)]
pub(crate) struct Turn {
    /// Milliseconds of each step.
    pub(crate) milliseconds: Vec<f64>,
    /// The most memory that the process has held.
    pub(crate) peak_memory_bytes: Option<u64>,
}

impl Worker {
    /// Starts `command`, whose stderr goes to the file `log`, and waits until it is ready.
    ///
    /// # Errors
    /// If it does not start or ends before it is ready; with what it said last.
    pub(crate) fn start(name: &str, mut command: Command, log: PathBuf) -> anyhow::Result<Self> {
        if let Some(folder) = log.parent() {
            std::fs::create_dir_all(folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
        }
        let errors = File::create(&log).with_context(|| format!("cannot write `{}`", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("`{name}` does not start"))?;
        let output = child.stdout.take().context("a child has no output")?;
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        let requests = child.stdin.take();
        let mut worker = Self { name: name.to_owned(), child, requests, answers, log, hello: Hello::default() };
        worker.hello = hello(&worker.answer()?);
        Ok(worker)
    }

    /// Has it make steps, as `request` says.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub(crate) fn turn(&mut self, request: &Value) -> anyhow::Result<Turn> {
        std::thread::sleep(PAUSE);
        let answer = self.ask(request)?;
        turn(&answer).with_context(|| format!("`{}` answered {answer}", self.name))
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// If it says that it failed, or ends, or does not answer.
    pub(crate) fn ask(&mut self, request: &Value) -> anyhow::Result<Value> {
        let requests = self.requests.as_mut().context("the worker was closed")?;
        // If it has ended, why is told by what it does not answer.
        let _ = writeln!(requests, "{request}").and_then(|()| requests.flush());
        self.answer()
    }

    /// The only answer of a program that takes no request, after which it ends.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) fn once(name: &str, mut command: Command, log: PathBuf) -> anyhow::Result<Value> {
        let errors = File::create(&log).with_context(|| format!("cannot write `{}`", log.display()))?;
        let output =
            command.stdin(Stdio::null()).stderr(errors).output().with_context(|| format!("`{name}` does not start"))?;
        if !output.status.success() {
            bail!("`{name}` ended with {}{}", output.status, last_words(&log));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let last = text.lines().last().unwrap_or_default();
        checked(name, last)
    }

    fn answer(&mut self) -> anyhow::Result<Value> {
        match self.answers.recv_timeout(PATIENCE) {
            Ok(line) => checked(&self.name, &line),
            Err(RecvTimeoutError::Timeout) => bail!("`{}` did not answer in {} s", self.name, PATIENCE.as_secs()),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.child.wait().context("a child cannot be waited for")?;
                bail!("`{}` ended with {status}{}", self.name, last_words(&self.log))
            }
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // The end of its stdin is the sign to end; a program in the middle of something is not waited for.
        drop(self.requests.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer that is no report of a failure.
fn checked(name: &str, line: &str) -> anyhow::Result<Value> {
    let answer: Value =
        serde_json::from_str(line).with_context(|| format!("`{name}` said `{line}`, which is no JSON"))?;
    match answer["error"].as_str() {
        Some(error) => bail!("`{name}` failed: {error}"),
        None => Ok(answer),
    }
}

fn hello(answer: &Value) -> Hello {
    Hello {
        version: answer["version"].as_str().unwrap_or_default().to_owned(),
        parameters: answer["parameters"].clone(),
        absent: answer["absent"].as_str().map(str::to_owned),
    }
}

fn turn(answer: &Value) -> Option<Turn> {
    let milliseconds: Vec<f64> = answer["ms"].as_array()?.iter().map(Value::as_f64).collect::<Option<_>>()?;
    let peak_memory_bytes = answer["peak_memory_bytes"].as_u64();
    (!milliseconds.is_empty()).then_some(Turn { milliseconds, peak_memory_bytes })
}

/// The end of what a program said on stderr, for an error message.
fn last_words(log: &PathBuf) -> String {
    let text = std::fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    match lines[lines.len().saturating_sub(5)..] {
        [] => String::new(),
        ref last => format!(":\n{}", last.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_times_or_nothing() {
        let good = json!({ "ms": [1.5, 2], "peak_memory_bytes": 7 });
        assert_eq!(turn(&good), Some(Turn { milliseconds: vec![1.5, 2.0], peak_memory_bytes: Some(7) }));
        let no_memory = json!({ "ms": [1], "peak_memory_bytes": null });
        assert_eq!(turn(&no_memory).unwrap().peak_memory_bytes, None);
        for bad in [json!({}), json!({ "ms": [] }), json!({ "ms": ["1"] }), json!(3)] {
            assert_eq!(turn(&bad), None, "{bad}");
        }
    }

    #[test]
    fn failures_are_told_with_the_name() {
        let error = checked("pytorch.py lstm", r#"{"error": "no compiler"}"#).unwrap_err().to_string();
        assert_eq!(error, "`pytorch.py lstm` failed: no compiler");
        assert!(checked("a", "Traceback").unwrap_err().to_string().contains("no JSON"));
        assert_eq!(hello(&json!({ "absent": "later" })).absent.as_deref(), Some("later"));
    }

    /// With a real child: it answers a line for a line, and its last words on stderr end up in the error.
    #[cfg(unix)]
    #[test]
    fn a_worker_is_asked_line_by_line() {
        let log = std::env::temp_dir().join(format!("xtask-worker-{}.log", std::process::id()));
        let script = r#"echo '{"version": "1", "parameters": {"g": 3}}'
            read line; echo "{\"ms\": [1, 2], \"request\": $line}"
            read line; echo 'oh no' >&2; exit 3"#;
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut worker = Worker::start("sh", command, log.clone()).unwrap();
        assert_eq!((&*worker.hello.version, &worker.hello.parameters), ("1", &json!({ "g": 3 })));
        let answer = worker.ask(&json!({ "steps": 2 })).unwrap();
        assert_eq!(answer["request"], json!({ "steps": 2 }));
        let error = worker.turn(&json!({ "steps": 2 })).unwrap_err().to_string();
        assert!(error.starts_with("`sh` ended with exit status: 3") && error.ends_with("oh no"), "{error}");
        drop(worker);
        std::fs::remove_file(&log).unwrap();
    }
}

//! Where and what is measured.

use std::path::Path;
use std::process::Command;

/// Load from other programs above which figures are not to be trusted.
const BUSY: f64 = 0.5;

/// The processor and the number of threads, by which results are told apart.
pub(crate) fn name(threads: usize) -> String {
    let processor = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| processor(&text));
    let processor = processor.unwrap_or_else(|| format!("an {} processor", std::env::consts::ARCH));
    format!("{processor}, {}, {threads} thread{}", std::env::consts::OS, if threads == 1 { "" } else { "s" })
}

fn processor(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"))?;
    Some(line.trim_start_matches([' ', '\t', ':']).trim().to_owned())
}

/// Says so if other programs keep the machine busy.
pub(crate) fn warn_if_busy() {
    let load = std::fs::read_to_string("/proc/loadavg").ok();
    let load = load.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    if let Some(load) = load.filter(|load| *load > BUSY) {
        eprintln!(
            "warning: the load of this machine is {load}: figures will be noisy, and against whoever spins longer"
        );
    }
}

/// The commit that is measured, marked if the code differs from it.
pub(crate) fn commit(root: &Path) -> String {
    let git = |arguments: &[&str]| Command::new("git").args(arguments).current_dir(root).output().ok();
    let head = git(&["rev-parse", "--short=10", "HEAD"]).filter(|output| output.status.success());
    let Some(head) = head else { return "an unknown commit".to_owned() };
    let head = String::from_utf8_lossy(&head.stdout).trim().to_owned();
    let code = ["diff", "--quiet", "HEAD", "--", "crates", "bench/peers", "Cargo.lock", "Cargo.toml"];
    match git(&code).is_some_and(|output| output.status.success()) {
        true => head,
        false => format!("{head} with changes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_is_found() {
        let text = "processor\t: 0\nmodel name\t: A CPU 9 @ 3 GHz\nflags\t: avx2\nmodel name\t: Another\n";
        assert_eq!(processor(text).as_deref(), Some("A CPU 9 @ 3 GHz"));
        assert_eq!(processor("Hardware : x"), None);
        assert!(name(1).ends_with(", 1 thread") && name(8).ends_with(", 8 threads"));
    }
}

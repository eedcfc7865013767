//! Runs a model, and counts.

use std::fs::OpenOptions;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// Runs this in every order that loom finds; appends the name of the test and how many orders there were to the file that
/// `WIRELINE_SCHEDULES` names.
pub(crate) fn model(code: impl Fn() + Send + Sync + 'static) {
    // What counts is not tried itself.
    let schedules = Arc::new(AtomicU64::new(0));
    let counted = schedules.clone();
    loom::model(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        code();
    });
    let Some(path) = std::env::var_os("WIRELINE_SCHEDULES") else {
        return;
    };
    let test = thread::current();
    let (name, count) = (test.name().unwrap(), schedules.load(Ordering::Relaxed));
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(format!("{name}\t{count}\n").as_bytes())
        .unwrap();
}

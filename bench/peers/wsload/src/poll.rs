//! epoll over numbered streams, and the clockwork of a measured run.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData};

pub use rustix::event::epoll::EventFlags;

use crate::{die, or_die};

/// A level-triggered epoll.
pub struct Poll {
    epoll: OwnedFd,
    events: Vec<Event>,
}

impl Poll {
    pub fn new() -> Self {
        Self {
            epoll: or_die(epoll::create(CreateFlags::CLOEXEC), "epoll"),
            events: Vec::with_capacity(1024),
        }
    }

    /// Watches `stream` under the number `at` for something to read, and makes it non-blocking.
    pub fn add(&self, stream: &TcpStream, at: usize) {
        or_die(stream.set_nonblocking(true), "non-blocking");
        or_die(
            epoll::add(
                &self.epoll,
                stream,
                EventData::new_u64(at as u64),
                EventFlags::IN,
            ),
            "epoll",
        );
    }

    pub fn watch(&self, stream: &TcpStream, at: usize, flags: EventFlags) {
        or_die(
            epoll::modify(&self.epoll, stream, EventData::new_u64(at as u64), flags),
            "epoll",
        );
    }

    /// Waits at most 100 ms; the numbers and flags of what is ready.
    pub fn wait(&mut self) -> Vec<(usize, EventFlags)> {
        self.wait_for(Duration::from_millis(100))
    }

    /// Waits less than a second at most.
    pub fn wait_for(&mut self, most: Duration) -> Vec<(usize, EventFlags)> {
        self.events.clear();
        let most = Timespec {
            tv_sec: 0,
            tv_nsec: most.subsec_nanos().into(),
        };
        or_die(
            epoll::wait(&self.epoll, spare_capacity(&mut self.events), Some(&most)),
            "epoll",
        );
        self.events
            .iter()
            .map(|event| (event.data.u64() as usize, event.flags))
            .collect()
    }
}

/// Reads what is there, 0 when nothing is. A closed connection ends the run.
pub fn receive(mut stream: &TcpStream, buffer: &mut [u8]) -> usize {
    match stream.read(buffer) {
        Ok(0) => die("the server closed a connection"),
        Ok(length) => length,
        Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
        Err(error) => die(&format!("receive: {error}")),
    }
}

/// Warm-up, then measuring; says when each begins.
pub struct Stretch {
    begin: Instant,
    start: Option<Instant>,
    warm_up: f64,
    seconds: f64,
}

/// What `Stretch::tick` found.
#[derive(PartialEq)]
pub enum Tick {
    Going,
    /// Measuring begins now: forget what was counted.
    Started,
    Over,
}

impl Stretch {
    pub fn new(warm_up: f64, seconds: f64) -> Self {
        Self {
            begin: Instant::now(),
            start: None,
            warm_up,
            seconds,
        }
    }

    pub fn tick(&mut self, now: Instant) -> Tick {
        match self.start {
            None if (now - self.begin).as_secs_f64() >= self.warm_up => {
                println!("MARK start");
                self.start = Some(now);
                Tick::Started
            }
            Some(start) if (now - start).as_secs_f64() >= self.seconds => {
                println!("MARK end");
                Tick::Over
            }
            _ => Tick::Going,
        }
    }

    /// Prints the result of a run that measured `count` operations until `now`; `more` holds further JSON members, each after a comma.
    pub fn report(&self, now: Instant, count: u64, latencies: &mut [Duration], more: &str) {
        let seconds = self.start.map_or(0.0, |start| (now - start).as_secs_f64());
        latencies.sort_unstable();
        let percentile = |share: f64| {
            let at = (latencies.len().saturating_sub(1) as f64 * share) as usize;
            latencies
                .get(at)
                .map_or(0.0, |latency| latency.as_nanos() as f64 / 1000.0)
        };
        println!(
            "{{\"count\":{count},\"seconds\":{seconds:.3},\"per_second\":{:.0},\"p50_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1}{more}}}",
            count as f64 / seconds,
            percentile(0.50),
            percentile(0.99),
            percentile(0.999),
        );
    }
}

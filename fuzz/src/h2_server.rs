//! A server of HTTP/2 stays within its limits whatever a client sends, and when a connection ends, all that it began has.

use super::h2_frames::{self as frames, Frame};
use super::h2_service::{self as service, Running};
use super::input::{Input, pieces};
use std::panic;
use std::pin::Pin;
use std::sync::Once;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Instant;
use wireline::resource::counters::Counter;
use wireline::resource::io::memory::{self, MemoryStream};
use wireline::service::link::http2::Http2;
use wireline::test::TestClient;

/// Input: one octet (what is said of it in [`Setting`]), one octet (how many cut lengths follow), the cut lengths; then
/// octets that are sent as they are, or steps: an octet that chooses, and what [`Client::step`] takes for it.
///
/// # Panics
///
/// When a limit is passed, when a connection or a handler never ends, or when the server says what it must not.
pub fn h2_server(data: &[u8]) {
    KNOWN_IS_SILENT.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload_as_str() != Some(KNOWN) {
                before(info);
            }
        }));
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    let mut input = Input(data);
    let setting = Setting::from(input.octet());
    let lengths = input.string(8).to_vec();
    runtime
        .expect("a runtime")
        .block_on(talk(input, &setting, &lengths));
}

/// How a conversation is held.
struct Setting {
    is_raw: bool,
    is_tight: bool,
    has_preface: bool,
    /// What may be on its way in each direction.
    capacity: usize,
    /// The client goes away when it has said everything, or closes its side, or waits.
    ending: u8,
}

impl From<u8> for Setting {
    fn from(octet: u8) -> Self {
        Self {
            is_raw: octet & 1 != 0,
            is_tight: octet & 2 != 0,
            has_preface: octet & 4 == 0,
            capacity: [64 * 1024, 512, 16, 4096][usize::from(octet >> 3 & 3)],
            ending: octet >> 5 & 3,
        }
    }
}

async fn talk(mut input: Input<'_>, setting: &Setting, lengths: &[u8]) {
    let running = Running::default();
    let config = service::config(setting.is_tight);
    let limits = config.http2.clone();
    let test = TestClient::with_config(service::routes(&running), config);
    let (io, server) = memory::pair(setting.capacity);
    let task = test.serve_http2(server);
    let mut client = Client {
        io: Some(io),
        is_reading: true,
        was_deaf: false,
        has_drained: false,
        lengths: if lengths.is_empty() { &[0] } else { lengths },
        next: 1,
        sent: Vec::new(),
        got: Vec::new(),
    };
    if setting.has_preface {
        client.send(frames::PREFACE).await;
    }
    if setting.is_raw {
        client.send(input.0).await;
    } else {
        for _ in 0..MOST_STEPS {
            if input.0.is_empty() || task.is_finished() {
                break;
            }
            client.step(&mut input, &test).await;
            look(&test, &running, &limits);
        }
    }
    let left = client.finish(setting.ending).await;
    let ended = tokio::time::timeout(PATIENCE, task).await;
    if let Err(error) = ended.expect("the connection never ended") {
        let payload = error.into_panic();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&KNOWN));
    }
    // Whoever was cancelled gets a turn to be dropped in.
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(running.now(), 0, "handlers that outlived their connection");
    assert_eq!((test.connections(), test.buffered()), (0, 0));
    assert_eq!(test.count(Counter::HandlerPanics), 0);
    assert_eq!(running.begun(), running.ended());
    let sent = &client.sent[..];
    let sent = sent.strip_prefix(frames::PREFACE).unwrap_or(sent);
    let said = frames::all(sent);
    let answered = frames::all(&client.got);
    frames::judge(&said, &answered, &limits, SECONDS);
    let listened = !left && !client.was_deaf;
    count(&test, &answered, listened, client.has_drained);
}

/// What holds at any time.
fn look(test: &TestClient, running: &Running, limits: &Http2) {
    // As many again were reset in the turn that began these.
    let most = 2 * limits.max_streams as usize;
    assert!(running.now() <= most, "{} handlers", running.now());
    let streams = limits.max_streams as usize;
    let each = limits.stream_window as usize + limits.stream_send_buffer + 16 * 1024;
    let held = 128 * 1024 + streams * each;
    assert!(test.buffered() <= held, "{} octets", test.buffered());
}

/// What the counters say of it is what the client was told.
fn count(test: &TestClient, answered: &[Frame], listened: bool, is_drained: bool) {
    let floods: u64 = FLOODS.iter().map(|counter| test.count(*counter)).sum();
    assert!(floods <= 1, "{floods} verdicts for one connection");
    let calmed = answered
        .iter()
        .any(|frame| frame.kind == frames::GOAWAY && frame.code(4) == Some(ENHANCE_YOUR_CALM));
    // A connection that is closed for one reason may be told another, when h2 finds one before the end.
    let others: u64 = ENDS.iter().map(|counter| test.count(*counter)).sum();
    assert!(
        !calmed || floods + others > 0 || is_drained,
        "GOAWAY {:?} without a counter but {:?}",
        answered
            .iter()
            .filter(|frame| frame.kind == frames::GOAWAY)
            .map(|frame| frame.code(4))
            .collect::<Vec<_>>(),
        Counter::ALL
            .iter()
            .filter(|counter| test.count(**counter) > 0)
            .collect::<Vec<_>>()
    );
    if floods == 1 && listened && test.count(Counter::DrainForced) == 0 {
        let io = test.count(Counter::IoErrors);
        assert!(calmed || io > 0, "a counter without GOAWAY");
    }
}

/// The other side of the connection.
struct Client<'a> {
    io: Option<MemoryStream>,
    is_reading: bool,
    /// It did not always read what came.
    was_deaf: bool,
    has_drained: bool,
    lengths: &'a [u8],
    /// The next stream of its own.
    next: u32,
    sent: Vec<u8>,
    got: Vec<u8>,
}

impl Client<'_> {
    async fn step(&mut self, input: &mut Input<'_>, test: &TestClient) {
        let choice = input.octet();
        let more = choice >> 4;
        match choice & 15 {
            kind @ 0..=10 => {
                let octets = frames::made(kind, more, &mut self.next, input);
                self.send(&octets).await;
            }
            11 => {
                let octets = input.string(64);
                self.send(octets).await;
            }
            12 => {
                self.is_reading = more & 1 == 0;
                self.was_deaf |= !self.is_reading;
            }
            13 => {
                let time = Duration::from_millis(u64::from(input.octet()) * 8);
                self.wait(time).await;
            }
            14 => self.read().await,
            _ => match more {
                0..=5 => {
                    test.drain();
                    self.has_drained = true;
                }
                6 | 7 => test.force(),
                8 | 9 => {
                    if let Some(io) = self.io.take() {
                        io.reset();
                    }
                }
                10 | 11 => {
                    if let Some(io) = &mut self.io {
                        let _ = io.shutdown().await;
                    }
                }
                _ => tokio::task::yield_now().await,
            },
        }
    }

    /// Sends in pieces, as far as the server takes them; what comes meanwhile is read, or not.
    async fn send(&mut self, octets: &[u8]) {
        for piece in pieces(octets, self.lengths) {
            let mut left = piece;
            while !left.is_empty() {
                let Some(io) = &mut self.io else {
                    return;
                };
                let wrote = tokio::time::timeout(
                    STALL,
                    Both {
                        io,
                        left,
                        got: &mut self.got,
                        is_reading: self.is_reading,
                    },
                );
                match wrote.await {
                    Ok(Some(written)) => {
                        self.sent.extend(&left[..written]);
                        left = &left[written..];
                    }
                    Ok(None) => return,
                    // The server waits for us: then we read after all.
                    Err(_) if !self.is_reading => self.is_reading = true,
                    Err(_) => return,
                }
            }
            tokio::task::yield_now().await;
        }
    }

    /// Reads what is there.
    async fn read(&mut self) {
        let Some(io) = &mut self.io else {
            return;
        };
        let mut buf = [0; 1024];
        for _ in 0..64 {
            match tokio::time::timeout(Duration::from_millis(1), io.read(&mut buf)).await {
                Ok(Ok(len @ 1..)) => self.got.extend(&buf[..len]),
                _ => return,
            }
        }
    }

    /// Reads until the end.
    async fn listen(&mut self) {
        let mut buf = [0; 1024];
        while let Some(io) = &mut self.io
            && let Ok(len @ 1..) = io.read(&mut buf).await
        {
            self.got.extend(&buf[..len]);
        }
    }

    /// Lets time pass, reading or not.
    async fn wait(&mut self, time: Duration) {
        if self.is_reading {
            let until = Instant::now() + time;
            let _ = tokio::time::timeout_at(until, self.listen()).await;
            tokio::time::sleep_until(until).await;
        } else {
            tokio::time::sleep(time).await;
        }
    }

    /// Whether the client left without a word.
    async fn finish(&mut self, ending: u8) -> bool {
        let Some(io) = &mut self.io else {
            return true;
        };
        match ending {
            0 => {
                let _ = io.shutdown().await;
            }
            1 => {
                self.io = None;
                return true;
            }
            _ => {}
        }
        if let Some(io) = &mut self.io {
            let _ = tokio::time::timeout(PATIENCE, io.read_to_end(&mut self.got)).await;
        }
        false
    }
}

/// Writes, and reads meanwhile. `None` when the other side is gone.
struct Both<'a> {
    io: &'a mut MemoryStream,
    left: &'a [u8],
    got: &'a mut Vec<u8>,
    is_reading: bool,
}

impl Future for Both<'_> {
    type Output = Option<usize>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<usize>> {
        let me = &mut *self;
        if let Poll::Ready(wrote) = Pin::new(&mut *me.io).poll_write(cx, me.left) {
            return Poll::Ready(wrote.ok());
        }
        while me.is_reading {
            let mut room = [0; 1024];
            let mut buf = ReadBuf::new(&mut room);
            match Pin::new(&mut *me.io).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => me.got.extend(buf.filled()),
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }
}

/// What the h2 crate says, in builds with debug assertions alone, when a connection is dropped while a reset still
/// waits to be written: its count of streams is not 0 then, and nothing comes of it.
const KNOWN: &str = "assertion failed: !self.has_streams()";

static KNOWN_IS_SILENT: Once = Once::new();

const MOST_STEPS: usize = 200;

/// How long the server may let a client's octets lie.
const STALL: Duration = Duration::from_millis(300);

/// How long a connection may last that nobody talks to.
const PATIENCE: Duration = Duration::from_secs(30);

/// More than a conversation takes: what comes back in a second is multiplied with it.
const SECONDS: u64 = 600;

const ENHANCE_YOUR_CALM: u32 = 11;

/// Why else a connection ends.
const ENDS: [Counter; 5] = [
    Counter::HeadTimeouts,
    Counter::WriteTimeouts,
    Counter::IdleTimeouts,
    Counter::Http2ProtocolErrors,
    Counter::ConnectionsRetired,
];

const FLOODS: [Counter; 10] = [
    Counter::Http2ResetFloods,
    Counter::Http2ErrorFloods,
    Counter::Http2PriorityFloods,
    Counter::Http2WindowUpdateFloods,
    Counter::Http2PingFloods,
    Counter::Http2SettingsFloods,
    Counter::Http2EmptyFrameFloods,
    Counter::Http2OverheadFloods,
    Counter::Http2OtherFloods,
    Counter::Http2TableSizeFloods,
];

//! An in-memory transport that tells what is asked of it.

use bytes::BytesMut;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use wireline::resource::io::Transport;
use wireline::resource::io::memory::MemoryStream;

/// Calls a function before each read and each write.
pub(crate) struct Tapped<F> {
    pub(crate) inner: MemoryStream,
    pub(crate) tap: F,
}

/// What is about to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Readable,
    /// With a buffer of this capacity.
    Read(usize),
    Write,
}

impl<F: FnMut(&mut Context<'_>, Call) + Send + Unpin + 'static> Transport for Tapped<F> {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (self.tap)(cx, Call::Readable);
        Transport::poll_readable(&mut self.inner, cx)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut BytesMut) -> Poll<io::Result<usize>> {
        (self.tap)(cx, Call::Read(buf.capacity()));
        Transport::poll_read(&mut self.inner, cx, buf)
    }

    fn poll_writev(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        (self.tap)(cx, Call::Write);
        Transport::poll_writev(&mut self.inner, cx, bufs)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Transport::poll_flush(&mut self.inner, cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Transport::poll_shutdown(&mut self.inner, cx)
    }
}

//! Listeners through a socket: a head, their places as text, and then an octet for each with its descriptor.

use crate::server::handover::asked::Asked;
use crate::server::handover::registry::Bequest;
use crate::wire::number;
use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

/// Sends all of them.
pub(super) fn send(mut socket: &UnixStream, bequests: &[Bequest]) -> io::Result<()> {
    let mut text = String::new();
    for Bequest { asked, .. } in bequests {
        text.push_str(&format!("{} {}\n", asked.order, asked.place));
    }
    let mut head = MAGIC.to_vec();
    for number in [bequests.len(), text.len()] {
        let number = u32::try_from(number).map_err(io::Error::other)?;
        head.extend_from_slice(&number.to_be_bytes());
    }
    socket.write_all(&head)?;
    socket.write_all(text.as_bytes())?;
    for bequest in bequests {
        send_one(socket, &bequest.socket)?;
    }
    Ok(())
}

/// Receives what was sent.
pub(super) fn receive(mut socket: &UnixStream) -> io::Result<Vec<Bequest>> {
    let mut head = [0; 16];
    socket.read_exact(&mut head)?;
    let [magic, numbers] = [&head[..8], &head[8..]];
    if magic != MAGIC {
        return Err(wrong());
    }
    let numbers = u64::from_be_bytes(numbers.try_into().map_err(io::Error::other)?);
    let (count, length) = (numbers >> 32, numbers & u64::from(u32::MAX));
    if length > LONGEST {
        return Err(wrong());
    }
    let mut text = String::new();
    socket.take(length).read_to_string(&mut text)?;
    let bequests: Vec<Bequest> = text
        .lines()
        .map(|line| {
            let (order, place) = line.split_once(' ').ok_or_else(wrong)?;
            let asked = Asked {
                place: place.into(),
                order: number::decimal(order.as_bytes()).ok_or_else(wrong)?,
            };
            let socket = receive_one(socket)?;
            Ok(Bequest { asked, socket })
        })
        .collect::<io::Result<_>>()?;
    if bequests.len() as u64 != count {
        return Err(wrong());
    }
    Ok(bequests)
}

fn send_one(socket: &UnixStream, descriptor: &OwnedFd) -> io::Result<()> {
    let descriptors = [descriptor.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("no room for a descriptor"));
    }
    retry_on_intr(|| {
        sendmsg(
            socket,
            &[IoSlice::new(b"+")],
            &mut control,
            SendFlags::empty(),
        )
    })?;
    Ok(())
}

/// No program that starts meanwhile gets what is received.
#[cfg(target_os = "linux")]
const CLOSED_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;

#[cfg(not(target_os = "linux"))]
const CLOSED_ON_EXEC: RecvFlags = RecvFlags::empty();

fn receive_one(socket: &UnixStream) -> io::Result<OwnedFd> {
    let mut octet = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    retry_on_intr(|| {
        recvmsg(
            socket,
            &mut [IoSliceMut::new(&mut octet)],
            &mut control,
            CLOSED_ON_EXEC,
        )
    })?;
    let descriptor = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let descriptor = descriptor.ok_or_else(wrong)?;
    // For systems that cannot ask for it while they receive.
    socket2::SockRef::from(&descriptor).set_cloexec(true)?;
    Ok(descriptor)
}

fn wrong() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "what the process before this one says of its listeners cannot be read",
    )
}

/// What a version that says something else begins otherwise.
const MAGIC: &[u8; 8] = b"wlheir1\n";

/// The longest text that is read.
const LONGEST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::thread;

    fn bequest(listener: &TcpListener, place: &str, order: u64) -> Bequest {
        Bequest {
            asked: Asked {
                place: place.into(),
                order,
            },
            socket: listener.as_fd().try_clone_to_owned().unwrap(),
        }
    }

    #[test]
    fn listeners_arrive_with_what_waits_for_them() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        // More than a socket holds at once.
        let many: Vec<Bequest> = (0..600)
            .map(|order| bequest(&listener, "tcp [a b]", order))
            .collect();
        let waiting = TcpStream::connect(addr).unwrap();
        drop(listener);
        let sender = thread::spawn(move || send(&ours, &many).unwrap());
        let mut received = receive(&theirs).unwrap();
        sender.join().unwrap();
        assert_eq!(received.len(), 600);
        let Bequest { asked, socket } = received.swap_remove(599);
        assert_eq!((&*asked.place, asked.order), ("tcp [a b]", 599));
        received.clear();
        let (accepted, peer) = TcpListener::from(socket).accept().unwrap();
        assert_eq!(peer, waiting.local_addr().unwrap());
        drop(accepted);
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        for said in [
            &b""[..],
            b"GET / HTTP/1.1\r\n\r\n",
            b"wlheir1\n\0\0\0\x01\0\0\0\0",
            b"wlheir1\n\0\0\0\x01\xff\xff\xff\xff",
            b"wlheir1\n\0\0\0\x01\0\0\0\x06+1 tcp+",
            b"wlheir1\n\0\0\0\x01\0\0\0\x05tcp1\n+",
            b"wlheir1\n\0\0\0\x01\0\0\0\x06\x31 tcp\n+",
        ] {
            let (mut ours, theirs) = UnixStream::pair().unwrap();
            ours.write_all(said).unwrap();
            drop(ours);
            assert!(receive(&theirs).is_err(), "{said:?}");
        }
    }
}

//! Reads that end at a time, however slowly the other side sends.

use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A connection until a deadline. A timeout of the socket's own is of each read: a byte now and then would go on for ever.
pub(super) struct Until<'a> {
    stream: &'a TcpStream,
    deadline: Instant,
}

impl<'a> Until<'a> {
    /// `stream` for as long as `patience` from now on; its timeout is then what was left, and the caller's to reset.
    pub fn after(patience: Duration, stream: &'a TcpStream) -> Self {
        Self { stream, deadline: Instant::now() + patience }
    }
}

impl Read for Until<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_byte_now_and_then_does_not_put_the_end_off() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let mut slow = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
        let (stream, _) = listener.accept().expect("a connection");
        let sending = thread::spawn(move || {
            while slow.write_all(b"x").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        let mut until = Until::after(Duration::from_millis(200), &stream);
        let ended = until.read_exact(&mut [0; 4096]).expect_err("an end").kind();
        assert!([io::ErrorKind::TimedOut, io::ErrorKind::WouldBlock].contains(&ended), "{ended:?}");
        drop(stream);
        sending.join().expect("no panic");
    }
}

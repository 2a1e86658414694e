//! What goes over a connection: a kind, a length, and as many bytes.

use std::io::{self, Read, Write};

/// What a frame holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Data(Vec<u8>),
    /// Why the other side has ended.
    Failure(String),
}

const DATA: u8 = 0;
const FAILURE: u8 = 1;
/// The largest: a training of 2 billion parameters, whose moments are one frame of 8 bytes each.
const MOST_BYTES: u64 = 1 << 34;

pub(super) fn write_data(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    write(out, DATA, bytes)
}

pub(super) fn write_failure(out: &mut impl Write, reason: &str) -> io::Result<()> {
    write(out, FAILURE, reason.as_bytes())
}

fn write(out: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let mut head = [kind; 9];
    let length = bytes.len() as u64;
    if length > MOST_BYTES {
        let said = format!("{length} bytes are more than the {MOST_BYTES} that processes send at a time");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, said));
    }
    head[1..].copy_from_slice(&length.to_le_bytes());
    out.write_all(&head)?;
    out.write_all(bytes)?;
    out.flush()
}

pub(super) fn read(from: &mut impl Read) -> io::Result<Frame> {
    read_up_to(from, MOST_BYTES)
}

/// The same with a limit, for those of whom it is not known yet whether they belong here.
pub(super) fn read_up_to(from: &mut impl Read, most_bytes: u64) -> io::Result<Frame> {
    let mut head = [0; 9];
    from.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u64::from_le_bytes(length);
    if kind > FAILURE || length > most_bytes {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it speaks another language"));
    }
    // As it comes, not as it is announced: a stranger's number must not take memory.
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes)?;
    if (bytes.len() as u64) < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(match kind {
        DATA => Frame::Data(bytes),
        _ => Frame::Failure(String::from_utf8_lossy(&bytes).into_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_back_and_what_is_cut_or_strange_is_refused() {
        let mut bytes = Vec::new();
        write_data(&mut bytes, &[1, 2, 3]).expect("memory");
        write_failure(&mut bytes, "disk full").expect("memory");
        let mut from = &bytes[..];
        assert_eq!(read(&mut from).expect("a frame"), Frame::Data(vec![1, 2, 3]));
        assert_eq!(read(&mut from).expect("a frame"), Frame::Failure("disk full".to_owned()));
        assert!(read(&mut &bytes[..11]).is_err());
        assert!(read_up_to(&mut &bytes[..], 2).is_err());
        assert!(read(&mut &b"GET / HTTP/1.1\r\n"[..]).is_err());
    }
}

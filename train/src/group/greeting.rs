//! The first frame in either direction: a port is open to anybody, and torchrun's own store may answer at it.

use std::io::{self, Read, Write};

use super::frame::{self, Frame};
use super::ranks::Ranks;

/// What no other program begins with; another number where what processes say to each other changes.
const MAGIC: &str = "bolid-group-1";
/// The largest that is read of somebody who may be a stranger; a launcher's name for a start is far shorter.
const MOST_BYTES: u64 = 4096;

/// Who speaks.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    pub rank: usize,
    size: usize,
    job: String,
}

impl Greeting {
    pub fn of(ranks: &Ranks) -> Self {
        Self { rank: ranks.rank, size: ranks.size, job: ranks.job.clone() }
    }

    /// Whether both are of one start.
    pub fn is_with(&self, other: &Self) -> bool {
        (self.size, &self.job) == (other.size, &other.job)
    }

    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { rank, size, job } = self;
        frame::write_data(out, format!("{MAGIC} {rank} {size} {job}").as_bytes())
    }

    /// What the other side says; an error of kind `InvalidData` where it is no process of a training.
    pub fn read(from: &mut impl Read) -> io::Result<Self> {
        let stranger =
            || io::Error::new(io::ErrorKind::InvalidData, "what answers there is no training of bolid's");
        let Frame::Data(bytes) = frame::read_up_to(from, MOST_BYTES)? else { return Err(stranger()) };
        let text = String::from_utf8(bytes).map_err(|_| stranger())?;
        let parts: Vec<&str> = text.splitn(4, ' ').collect();
        let [MAGIC, rank, size, job] = parts[..] else { return Err(stranger()) };
        let number = |text: &str| text.parse::<usize>().map_err(|_| stranger());
        Ok(Self { rank: number(rank)?, size: number(size)?, job: job.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_is_read_as_written_and_anything_else_is_a_stranger() {
        let ranks = Ranks { rank: 1, size: 2, first: "localhost:1".to_owned(), job: "a job".to_owned() };
        let own = Greeting::of(&ranks);
        let mut bytes = Vec::new();
        own.write(&mut bytes).expect("memory");
        let read = Greeting::read(&mut &bytes[..]).expect("a greeting");
        assert!(read == own && read.is_with(&own));
        let other = Greeting::of(&Ranks { job: String::new(), ..ranks });
        assert!(!read.is_with(&other));
        let mut strange = Vec::new();
        frame::write_data(&mut strange, b"torch-store 1 2 x").expect("memory");
        for bytes in [&strange[..], b"SSH-2.0-OpenSSH_9.6", &bytes[..12]] {
            assert!(Greeting::read(&mut &bytes[..]).is_err());
        }
    }
}

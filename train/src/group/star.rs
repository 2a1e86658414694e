//! The connections: every process with the first one.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};

use super::frame::{self, Frame};
use super::greeting::Greeting;
use super::ranks::Ranks;
use super::until::Until;

/// How long processes wait for each other at the start: a scheduler may begin them minutes apart.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two attempts to reach the first.
const PAUSE: Duration = Duration::from_millis(50);
/// For a whole greeting, which each process sends at once: somebody who says nothing, or one byte after the other, must not
/// keep the others from their start.
const GREETING: Duration = Duration::from_secs(5);
/// For the first one's answer, which may have silent strangers to hear out before.
const ANSWER: Duration = Duration::from_secs(60);
/// A machine that goes down says nothing. Asked after as much silence, and then every [`KEEPALIVE_EVERY`], it is given up
/// after four minutes (Linux asks nine times). A process that is busy does not count as silent: its system answers.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(60);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);

/// What can go wrong between the processes.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are named in the message")]
pub enum GroupError {
    /// The first process cannot listen, or cannot be reached.
    #[error(
        "process {rank} of {size}: cannot {what} {address}: {cause}; \
         BOLID_PORT sets another port, the same for all"
    )]
    Start {
        /// This process.
        rank: usize,
        /// Of how many.
        size: usize,
        /// What was tried: `listen at`, `reach the first one at`.
        what: &'static str,
        address: String,
        cause: io::Error,
    },
    /// Somebody came who does not belong to the group.
    #[error("process {rank} came twice, or is none of {size}: are two trainings at {address}?")]
    Stranger {
        /// The number it gave.
        rank: usize,
        /// Of how many.
        size: usize,
        /// Where the first listens.
        address: String,
    },
    /// The first process that answers is another training's.
    #[error(
        "process {rank} of {size}: another training, or one of another number of processes, listens at {address}; \
         BOLID_PORT sets another port, the same for all"
    )]
    OtherTraining {
        /// This process.
        rank: usize,
        /// Of how many.
        size: usize,
        address: String,
    },
    /// Another process ended and said why.
    #[error("process {rank} failed: {reason}")]
    Failed {
        /// Which.
        rank: usize,
        reason: String,
    },
    /// Another process ended without a word.
    #[error("process {rank} is gone ({cause}); its own output may say why")]
    Gone {
        /// Which.
        rank: usize,
        cause: io::Error,
    },
    /// The cards of the group cannot be joined.
    #[error("NCCL cannot join the cards of the group: {cause}; NCCL_DEBUG=INFO says more")]
    Cards {
        /// What NCCL said.
        cause: String,
    },
    /// Two processes are not at the same place, or not of the same model.
    #[error(
        "process {rank} sent {found} bytes where {expected} were due: are all started with the same configuration?"
    )]
    Length {
        /// Which.
        rank: usize,
        /// Bytes it sent.
        found: usize,
        /// Bytes of this process.
        expected: usize,
    },
}

/// The processes of a training, as one of them sees them.
#[derive(Debug)]
pub struct Group {
    rank: usize,
    size: usize,
    /// Of the first: to all others, by their numbers less one. Of any other: to the first.
    streams: Mutex<Vec<TcpStream>>,
}

impl Group {
    /// Waits until all are there.
    ///
    /// # Errors
    /// Where that fails, or takes longer than five minutes.
    pub fn join(ranks: &Ranks) -> Result<Self, GroupError> {
        let streams = match ranks.rank {
            0 => {
                let listener = TcpListener::bind(&ranks.first).map_err(start_error(ranks, "listen at"))?;
                others(&listener, ranks, PATIENCE)?
            }
            rank => {
                let mut stream = reach(&ranks.first).map_err(start_error(ranks, "reach the first one at"))?;
                let own = Greeting::of(ranks);
                let first =
                    greeted(&mut stream, &own).map_err(start_error(ranks, "join the first one at"))?;
                if first.rank != 0 || !first.is_with(&own) {
                    let (size, address) = (ranks.size, ranks.first.clone());
                    return Err(GroupError::OtherTraining { rank, size, address });
                }
                vec![stream]
            }
        };
        Ok(Self { rank: ranks.rank, size: ranks.size, streams: Mutex::new(streams) })
    }

    /// This process's number, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How many there are.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Everybody's bytes, in the order of the processes.
    ///
    /// # Errors
    /// Where a process failed or is gone.
    pub fn all_gather(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, GroupError> {
        let mut streams = self.streams();
        if self.rank > 0 {
            self.send(&mut streams, own)?;
            return (0..self.size).map(|_| receive(&mut streams[0], 0)).collect();
        }
        let mut all = vec![own.to_vec()];
        for (at, stream) in streams.iter_mut().enumerate() {
            all.push(receive(stream, at + 1)?);
        }
        for bytes in &all {
            self.send(&mut streams, bytes)?;
        }
        Ok(all)
    }

    /// The sum over all processes of each of `values`, the same to the bit in all.
    ///
    /// # Errors
    /// Where a process failed, is gone, or has another number of values.
    pub fn all_reduce_sum(&self, values: &mut [f32]) -> Result<(), GroupError> {
        let mut streams = self.streams();
        let length = 4 * values.len();
        if self.rank > 0 {
            self.send(&mut streams, &to_bytes(values))?;
            let sums = of_length(receive(&mut streams[0], 0)?, 0, length)?;
            values.iter_mut().zip(numbers(&sums)).for_each(|(value, sum)| *value = sum);
            return Ok(());
        }
        for (at, stream) in streams.iter_mut().enumerate() {
            let theirs = of_length(receive(stream, at + 1)?, at + 1, length)?;
            values.iter_mut().zip(numbers(&theirs)).for_each(|(value, other)| *value += other);
        }
        self.send(&mut streams, &to_bytes(values))
    }

    /// The first process's bytes, in all.
    ///
    /// # Errors
    /// Where a process failed or is gone.
    pub fn broadcast(&self, own: Vec<u8>) -> Result<Vec<u8>, GroupError> {
        let mut streams = self.streams();
        if self.rank > 0 {
            return receive(&mut streams[0], 0);
        }
        self.send(&mut streams, &own)?;
        Ok(own)
    }

    /// Tells the others that this process ends, and why; whoever is gone does not hear it.
    pub fn fail(&self, reason: &str) {
        for stream in self.streams().iter_mut() {
            let _ = frame::write_failure(stream, reason);
        }
    }

    fn send(&self, streams: &mut [TcpStream], bytes: &[u8]) -> Result<(), GroupError> {
        for (at, stream) in streams.iter_mut().enumerate() {
            let to = if self.rank > 0 { 0 } else { at + 1 };
            if let Err(cause) = frame::write_data(stream, bytes) {
                // What it said last is still to be read.
                return Err(match frame::read(stream) {
                    Ok(Frame::Failure(reason)) => GroupError::Failed { rank: to, reason },
                    _ => GroupError::Gone { rank: to, cause },
                });
            }
        }
        Ok(())
    }

    fn streams(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a start of these `ranks` failed with, at `what`.
fn start_error(ranks: &Ranks, what: &'static str) -> impl FnOnce(io::Error) -> GroupError {
    let Ranks { rank, size, first, .. } = ranks.clone();
    move |cause| GroupError::Start { rank, size, what, address: first, cause }
}

/// The other processes' connections, in their order. They have to come within `patience`, however many strangers do.
fn others(listener: &TcpListener, ranks: &Ranks, patience: Duration) -> Result<Vec<TcpStream>, GroupError> {
    let failed = || start_error(ranks, "take in the others at");
    let own = Greeting::of(ranks);
    listener.set_nonblocking(true).map_err(failed())?;
    let started = Instant::now();
    let mut found: Vec<Option<TcpStream>> = (1..ranks.size).map(|_| None).collect();
    while found.iter().any(Option::is_none) {
        if started.elapsed() > patience {
            let missing = found.iter().filter(|stream| stream.is_none()).count();
            let waited = format!("{missing} did not come within {} s", patience.as_secs());
            return Err(failed()(io::Error::new(io::ErrorKind::TimedOut, waited)));
        }
        let mut stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                thread::sleep(PAUSE);
                continue;
            }
            Err(error) => return Err(failed()(error)),
        };
        // Whoever is none of ours is left alone; of another training, it learns that from the answer.
        let Ok(theirs) = answered(&mut stream, &own) else { continue };
        if !theirs.is_with(&own) {
            continue;
        }
        match theirs.rank.checked_sub(1).and_then(|at| found.get_mut(at)) {
            Some(place @ None) => *place = Some(stream),
            _ => {
                let (size, address) = (ranks.size, ranks.first.clone());
                return Err(GroupError::Stranger { rank: theirs.rank, size, address });
            }
        }
    }
    Ok(found.into_iter().flatten().collect())
}

fn reach(address: &str) -> io::Result<TcpStream> {
    let started = Instant::now();
    loop {
        match TcpStream::connect(address) {
            Ok(stream) => return prepare(&stream).map(|()| stream),
            Err(error) if started.elapsed() > PATIENCE => return Err(error),
            Err(_) => thread::sleep(PAUSE),
        }
    }
}

/// Small messages go at once, and a machine that is gone is noticed: by who waits for it after four minutes, by who sends
/// to it when the system gives up, on Linux after a quarter of an hour.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_AFTER).with_interval(KEEPALIVE_EVERY);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// The first one's greeting, in answer to this process's.
fn greeted(stream: &mut TcpStream, own: &Greeting) -> io::Result<Greeting> {
    own.write(stream)?;
    let first = Greeting::read(&mut Until::after(ANSWER, stream)).map_err(|error| {
        let said = match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                "it accepts connections and does not answer"
            }
            io::ErrorKind::UnexpectedEof => {
                "it closed the connection: another program, or a training that has ended"
            }
            _ => return error,
        };
        io::Error::new(error.kind(), said)
    })?;
    stream.set_read_timeout(None)?;
    Ok(first)
}

/// The greeting of somebody who came, who then has the first one's.
fn answered(stream: &mut TcpStream, own: &Greeting) -> io::Result<Greeting> {
    prepare(stream)?;
    let theirs = Greeting::read(&mut Until::after(GREETING, stream))?;
    own.write(stream)?;
    stream.set_read_timeout(None)?;
    Ok(theirs)
}

fn receive(stream: &mut TcpStream, from: usize) -> Result<Vec<u8>, GroupError> {
    match frame::read(stream) {
        Ok(Frame::Data(bytes)) => Ok(bytes),
        Ok(Frame::Failure(reason)) => Err(GroupError::Failed { rank: from, reason }),
        Err(cause) => Err(GroupError::Gone { rank: from, cause }),
    }
}

fn of_length(bytes: Vec<u8>, rank: usize, expected: usize) -> Result<Vec<u8>, GroupError> {
    match bytes.len() {
        found if found == expected => Ok(bytes),
        found => Err(GroupError::Length { rank, found, expected }),
    }
}

fn to_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_of_strangers_does_not_make_the_first_wait_for_ever() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let ranks = Ranks { rank: 0, size: 2, first: address.to_string(), job: String::new() };
        thread::scope(|scope| {
            // Each is gone at once, and there is always a next one to be taken in.
            let waiting = scope.spawn(move || others(&listener, &ranks, Duration::from_millis(300)));
            while !waiting.is_finished() {
                drop(TcpStream::connect(address));
            }
            let said = match waiting.join().expect("no panic").expect_err("nobody came") {
                GroupError::Start { cause, .. } => cause.to_string(),
                other => other.to_string(),
            };
            assert!(said.contains("1 did not come within"), "{said}");
        });
    }
}

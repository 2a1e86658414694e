/// Why there is no kernel for something.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Of attention.
    #[error("attention has kernels for heads of 8, 16, 24 … 160 elements, not of {width}")]
    Width {
        /// What was asked for.
        width: usize,
    },
    /// Of group normalisation.
    #[error("group_norm: {channels} channels are not {groups} groups")]
    Groups {
        /// Channels of the tensor.
        channels: usize,
        /// Groups asked for.
        groups: usize,
    },
    /// A size beyond what kernels count with.
    #[error("{op}: {what} are 1 to 2147483647, not {value}")]
    Count {
        /// The operation.
        op: &'static str,
        /// What is counted.
        what: &'static str,
        /// How many there are.
        value: usize,
    },
    /// A grid beyond what GPUs take, or an empty one.
    #[error("{function} cannot start {blocks:?} blocks: 1 to 2147483647 and 1 to 65535 can")]
    Grid {
        /// The kernel.
        function: String,
        /// Blocks in x and y.
        blocks: [usize; 2],
    },
    /// Of the kernels on the host.
    #[error("{function} on the host: {reason}")]
    Host {
        /// The kernel.
        function: String,
        /// What went wrong.
        reason: &'static str,
    },
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

//! Loops with the widest vector instructions that the machine has. The only place with pulp.

/// A loop that is compiled for several sets of vector instructions. A trait and no closure, because `run` has
/// to be marked `#[inline(always)]`: code that is not inlined keeps the instructions that every machine has.
pub(crate) trait Loop {
    type Output;

    fn run(self) -> Self::Output;
}

/// Runs a loop with the widest vector instructions at hand.
pub(crate) fn vectorised<L: Loop>(work: L) -> L::Output {
    struct Call<L>(L);

    impl<L: Loop> pulp::NullaryFnOnce for Call<L> {
        type Output = L::Output;

        #[inline(always)]
        fn call(self) -> L::Output {
            self.0.run()
        }
    }
    pulp::Arch::new().dispatch(Call(work))
}

/// The four 16-bit parts of two words each, the lowest first.
#[inline(always)]
pub(crate) fn quarters(words: [u64; 2]) -> [i16; 8] {
    let lanes: [i16; 8] = pulp::cast([words[0].to_le(), words[1].to_le()]);
    let mut out = [0; 8];
    for i in 0..8 {
        out[i] = i16::from_le(lanes[i]);
    }
    out
}

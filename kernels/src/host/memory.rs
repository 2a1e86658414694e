use crate::launch::Element;
use half::bf16;

/// Elements before and after a tensor that nobody may read or write. A multiple of what 16 bytes hold.
const GUARD: usize = 64;

/// A tensor in memory, between guards that are no numbers: what a kernel reads there shows in its result, and
/// what it writes there is found.
#[derive(Clone, Debug)]
pub struct Memory {
    element: Element,
    /// As 16-byte units, so that it is aligned as on a GPU.
    units: Vec<u128>,
    len: usize,
}

impl Memory {
    /// Of these values, rounded to the type.
    pub fn of(values: &[f64], element: Element) -> Self {
        let per_unit = element.vector();
        let units = vec![u128::MAX; (values.len() + 2 * GUARD).div_ceil(per_unit)];
        let mut memory = Self { element, units, len: values.len() };
        for (at, &value) in values.iter().enumerate() {
            let bytes = match element {
                Element::F32 => (value as f32).to_le_bytes().to_vec(),
                Element::Bf16 => bf16::from_f64(value).to_le_bytes().to_vec(),
            };
            let bit = (GUARD + at) * element.bytes() * 8;
            for (i, byte) in bytes.into_iter().enumerate() {
                let (unit, shift) = ((bit + 8 * i) / 128, (bit + 8 * i) % 128);
                memory.units[unit] &= !(0xff << shift);
                memory.units[unit] |= u128::from(byte) << shift;
            }
        }
        memory
    }

    /// Of nothing yet: no numbers.
    pub fn empty(len: usize, element: Element) -> Self {
        Self::of(&vec![f64::NAN; len], element)
    }

    /// Its address. What is written there is seen by [`values`](Self::values).
    pub fn address(&mut self) -> u64 {
        self.units.as_mut_ptr() as u64 + (GUARD * self.element.bytes()) as u64
    }

    /// What is there.
    ///
    /// # Panics
    /// Where the guards are not as they were.
    pub fn values(&self) -> Vec<f64> {
        let bytes: Vec<u8> = self.units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let size = self.element.bytes();
        let (before, rest) = bytes.split_at(GUARD * size);
        let (own, after) = rest.split_at(self.len * size);
        assert!(before.iter().chain(after).all(|&byte| byte == 0xff), "written beyond the tensor");
        own.chunks(size)
            .map(|bytes| match self.element {
                Element::F32 => f64::from(f32::from_le_bytes(bytes.try_into().expect("4 bytes"))),
                Element::Bf16 => bf16::from_le_bytes(bytes.try_into().expect("2 bytes")).to_f64(),
            })
            .collect()
    }
}

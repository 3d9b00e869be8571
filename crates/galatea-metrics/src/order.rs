//! The orders that NumPy's `RandomState` draws, so that what takes random parts of a set takes the same parts as the programs
//! that others check with, and the numbers agree to the last digits.
//!
//! The generator is MT19937 (Matsumoto and Nishimura 1998, "Mersenne Twister"), seeded with one word; an order is made by
//! exchanging each place, from the last one down, with one at or before it, drawn by rejection under a mask of bits.

const N: usize = 624;
const M: usize = 397;

/// NumPy's `RandomState(seed)`.
#[derive(Clone, Debug)]
pub struct RandomState {
    state: [u32; N],
    at: usize,
}

impl RandomState {
    /// The generator in its first state.
    pub fn new(seed: u32) -> Self {
        let mut state = [seed; N];
        for i in 1..N {
            let last = state[i - 1];
            state[i] = (last ^ (last >> 30)).wrapping_mul(1_812_433_253).wrapping_add(i as u32);
        }
        Self { state, at: N }
    }

    /// `permutation(n)`: 0, 1, .., `n` - 1 in a random order. Its first numbers are what `choice(n, size, replace=False)`
    /// gives.
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..n).collect();
        for i in (1..n).rev() {
            order.swap(i, self.at_most(i as u32));
        }
        order
    }

    fn at_most(&mut self, most: u32) -> usize {
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let value = self.next() & mask;
            if value <= most {
                return value as usize;
            }
        }
    }

    fn next(&mut self) -> u32 {
        if self.at == N {
            self.twist();
        }
        let mut y = self.state[self.at];
        self.at += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for i in 0..N {
            let y = (self.state[i] & 0x8000_0000) | (self.state[(i + 1) % N] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.state[i] = self.state[(i + M) % N] ^ (y >> 1) ^ odd;
        }
        self.at = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From NumPy 2.4: `RandomState(2020).permutation(12)`, twice in a row, and the first word of the authors' program.
    #[test]
    fn orders_are_numpys() {
        let mut state = RandomState::new(2020);
        assert_eq!(state.permutation(12), [2, 1, 11, 4, 10, 5, 7, 9, 6, 3, 8, 0]);
        assert_eq!(state.permutation(12), [1, 6, 5, 4, 10, 7, 2, 9, 3, 8, 11, 0]);
        assert_eq!(state.permutation(3000)[..6], [2675, 2239, 766, 2177, 2357, 1601]);
        assert_eq!(RandomState::new(5489).next(), 3_499_211_612);
    }
}

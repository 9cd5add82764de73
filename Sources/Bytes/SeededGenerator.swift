// Pseudo-random numbers from a seed that comes in by the door, so that every run can be repeated.
// xoshiro256** (Blackman and Vigna), its state filled by splitmix64. Not for secrets that an
// attacker may guess from earlier outputs.

/// A small random number generator; equal seeds give equal sequences.
public struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: (UInt64, UInt64, UInt64, UInt64)

    /// Any seed is as good as any other, 0 too.
    public init(seed: UInt64) {
        var mix = seed
        func next() -> UInt64 {
            mix &+= 0x9e37_79b9_7f4a_7c15
            var z = mix
            z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
            z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
            return z ^ (z >> 31)
        }
        state = (next(), next(), next(), next())
    }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        let product = state.1 &* 5
        let result = (product << 7 | product >> 57) &* 9
        let shifted = state.1 << 17
        state.2 ^= state.0
        state.3 ^= state.1
        state.1 ^= state.2
        state.0 ^= state.3
        state.2 ^= shifted
        state.3 = state.3 << 45 | state.3 >> 19
        return result
    }

    /// `interval` moved by a random amount of at most ±`spread`.
    public mutating func jitter(_ interval: Interval, by spread: Interval) -> Interval {
        guard spread > .zero else { return interval }
        let offset = Int64.random(in: -spread.nanoseconds...spread.nanoseconds, using: &self)
        return interval + Interval(nanoseconds: offset)
    }

    /// Where the sequence stands: 32 bytes, not all 0.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&state.0)
        try coder.integer(&state.1)
        try coder.integer(&state.2)
        try coder.integer(&state.3)
        // From there it would give nothing but 0, and whoever looks for another number would look for ever.
        try coder.require(state.0 | state.1 | state.2 | state.3 != 0, "place in a random sequence")
    }
}

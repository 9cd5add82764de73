// Random numbers, chosen by whoever starts a machine: the system's, which nobody can foresee, or a sequence that follows
// from a seed, so that a run can be repeated. What strangers must not guess (sequence numbers, ports, identifiers of
// queries) is safe with the system's only: a seeded generator betrays its state to who has seen enough of it.

/// Where random numbers come from.
public struct Randomness: RandomNumberGenerator, Sendable {
    private var seeded: SeededGenerator?

    private init(_ seeded: SeededGenerator?) { self.seeded = seeded }

    /// The system's generator (getrandom(2)).
    public static var system: Randomness { Randomness(nil) }

    /// Equal seeds give equal sequences: for simulations and tests.
    public static func seeded(_ seed: UInt64) -> Randomness { Randomness(SeededGenerator(seed: seed)) }

    /// The next 64 random bits.
    public mutating func next() -> UInt64 {
        guard var generator = seeded else {
            var system = SystemRandomNumberGenerator()
            return system.next()
        }
        let value = generator.next()
        seeded = generator
        return value
    }

    /// The source for a part: the system's again, or a sequence of its own that follows from this one.
    public mutating func child() -> Randomness { seeded == nil ? .system : .seeded(next()) }

    /// A sequence goes on where it stood. The system's generator has no state, and nobody's state takes its place: what
    /// could not be foreseen here stays so.
    public mutating func code(_ coder: inout StateCoder) throws(StateError) {
        let isSeededHere = seeded != nil
        try coder.optional(&seeded)
        try coder.require((seeded != nil) == isSeededHere, "source of random numbers")
    }
}

// What must not be guessed: initial sequence numbers (RFC 6528), timestamp offsets (RFC 7323, 5.4),
// ephemeral ports (RFC 6056, 3.3.3) and the hash of the connection table. All follow from one secret
// by SipHash-2-4.

/// A keyed pseudo-random function.
struct SipHash {
    private let k0: UInt64
    private let k1: UInt64

    init(seed: UInt64) {
        // The halves of the key come from the seed by SplitMix64 steps, so that no seed gives a weak key.
        k0 = Self.mix(seed &+ 0x9e37_79b9_7f4a_7c15)
        k1 = Self.mix(seed &+ 0x3c6e_f372_fe94_f82a)
    }

    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ z >> 30) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ z >> 27) &* 0x94d0_49bb_1331_11eb
        return z ^ z >> 31
    }

    /// The hash of both endpoints: two words when both are IPv4's, which is most of the work saved, else five and their
    /// length. That a long input ends in its length keeps it apart from every short one.
    func hash(_ key: TCPKey) -> UInt64 {
        var v = State(
            k0 ^ 0x736f_6d65_7073_6575, k1 ^ 0x646f_7261_6e64_6f6d, k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573)
        let (local, remote) = (key.local.address, key.remote.address)
        let ports = UInt64(key.local.port) << 16 | UInt64(key.remote.port)
        if local.isIPv4, remote.isIPv4 {
            v.absorb(local.low << 32 | remote.low & 0xffff_ffff)
            v.absorb(ports)
        } else {
            v.absorb(local.high)
            v.absorb(local.low)
            v.absorb(remote.high)
            v.absorb(remote.low)
            v.absorb(ports)
            v.absorb(40)
        }
        v.c ^= 0xff
        for _ in 0..<4 { v.round() }
        return v.a ^ v.b ^ v.c ^ v.d
    }

    private struct State {
        var a: UInt64
        var b: UInt64
        var c: UInt64
        var d: UInt64

        init(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) {
            self.a = a
            self.b = b
            self.c = c
            self.d = d
        }

        mutating func absorb(_ word: UInt64) {
            d ^= word
            round()
            round()
            a ^= word
        }

        mutating func round() {
            a &+= b
            b = b << 13 | b >> 51
            b ^= a
            a = a << 32 | a >> 32
            c &+= d
            d = d << 16 | d >> 48
            d ^= c
            a &+= d
            d = d << 21 | d >> 43
            d ^= a
            c &+= b
            b = b << 17 | b >> 47
            b ^= c
            c = c << 32 | c >> 32
        }
    }
}

/// The secrets of one ``TCPLayer``.
struct TCPSecrets {
    private let sequences: SipHash
    private let timestamps: SipHash
    private let ports: SipHash
    private let buckets: SipHash

    init(seed: UInt64) {
        sequences = SipHash(seed: seed)
        timestamps = SipHash(seed: seed ^ 0x7473)
        ports = SipHash(seed: seed ^ 0x706f)
        buckets = SipHash(seed: seed ^ 0x6275)
    }

    /// RFC 6528, 3: ISN = M + F(connection), where M counts four-microsecond ticks.
    func initialSequence(_ key: TCPKey, now: UInt64) -> SequenceNumber {
        let f = sequences.hash(key)
        return SequenceNumber(UInt32(truncatingIfNeeded: now / 4000) &+ UInt32(truncatingIfNeeded: f))
    }

    /// RFC 7323, 5.4: what is added to the clock of one connection.
    func timestampOffset(_ key: TCPKey) -> UInt32 { UInt32(truncatingIfNeeded: timestamps.hash(key)) }

    /// RFC 6056, 3.3.3: where the search for a port towards `remote` begins.
    func portOffset(local: IPAddress, remote: Endpoint) -> UInt32 {
        UInt32(truncatingIfNeeded: ports.hash(TCPKey(local: Endpoint(local, 0), remote: remote)))
    }

    func bucket(_ key: TCPKey) -> UInt32 { UInt32(truncatingIfNeeded: buckets.hash(key)) }
}

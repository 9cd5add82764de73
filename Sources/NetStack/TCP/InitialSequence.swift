// What must not be guessed: initial sequence numbers (RFC 6528), timestamp offsets (RFC 7323, 5.4), cookies and the hash
// of the connection table. All follow from secret keys by SipHash-2-4.

import Bytes

/// A keyed pseudo-random function.
struct SipHash {
    private var k0: UInt64
    private var k1: UInt64

    init(_ random: inout Randomness) {
        k0 = random.next()
        k1 = random.next()
    }

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&k0)
        try coder.integer(&k1)
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
        return v.finish()
    }

    /// The hash of two words.
    func hash(_ first: UInt64, _ second: UInt64) -> UInt64 {
        var v = State(
            k0 ^ 0x736f_6d65_7073_6575, k1 ^ 0x646f_7261_6e64_6f6d, k0 ^ 0x6c79_6765_6e65_7261,
            k1 ^ 0x7465_6462_7974_6573)
        v.absorb(first)
        v.absorb(second)
        return v.finish()
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

        @inline(__always) mutating func absorb(_ word: UInt64) {
            d ^= word
            round()
            round()
            a ^= word
        }

        @inline(__always) mutating func finish() -> UInt64 {
            c ^= 0xff
            for _ in 0..<4 { round() }
            return a ^ b ^ c ^ d
        }

        @inline(__always) mutating func round() {
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

/// The secrets of one ``TCPMachine``: keys of their own for everything that must not be guessed.
struct TCPSecrets {
    private var sequences: SipHash
    private var timestamps: SipHash
    private let buckets: SipHash
    private(set) var cookies: SipHash

    init(_ random: inout Randomness) {
        sequences = SipHash(&random)
        timestamps = SipHash(&random)
        buckets = SipHash(&random)
        cookies = SipHash(&random)
    }

    /// What has to go on as it was; the hash of the table is each side's own.
    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try sequences.code(&coder)
        try timestamps.code(&coder)
        try cookies.code(&coder)
    }

    /// RFC 6528, 3: ISN = M + F(connection), where M counts four-microsecond ticks.
    func initialSequence(_ key: TCPKey, now: UInt64) -> SequenceNumber {
        let f = sequences.hash(key)
        return SequenceNumber(UInt32(truncatingIfNeeded: now / 4000) &+ UInt32(truncatingIfNeeded: f))
    }

    /// RFC 7323, 5.4: what is added to the clock of one connection.
    func timestampOffset(_ key: TCPKey) -> UInt32 { UInt32(truncatingIfNeeded: timestamps.hash(key)) }

    func bucket(_ key: TCPKey) -> UInt32 { UInt32(truncatingIfNeeded: buckets.hash(key)) }
}

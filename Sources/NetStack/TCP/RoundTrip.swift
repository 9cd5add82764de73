// Round-trip times and the timeouts that follow from them (RFC 6298). All in nanoseconds.

import Bytes

/// The estimator of one connection: one segment is timed at a time, a retransmitted one never
/// counts (Karn's algorithm, RFC 6298, 3).
struct RoundTrip {
    /// 0: not measured yet.
    private(set) var smoothed: UInt64 = 0
    private(set) var variation: UInt64 = 0
    /// RTO before back-off; RFC 6298, 2.
    private(set) var timeout: UInt64
    /// RFC 6298, 5.5: each expiry doubles.
    private(set) var backOff: UInt8 = 0
    private var timedEnd = SequenceNumber(0)
    private var timedSince: UInt64 = 0

    private static let clockGranularity: UInt64 = 1_000_000

    init(initial: Interval) { timeout = initial.unsigned }

    /// Starts to time a segment that ends at `end` unless one is being timed.
    mutating func time(_ end: SequenceNumber, now: UInt64) {
        guard timedSince == 0 else { return }
        timedEnd = end
        timedSince = max(1, now)
    }

    /// RFC 6298, 3: an acknowledgement of something sent twice says nothing.
    mutating func discard() { timedSince = 0 }

    /// Takes the sample if `ack` covers the timed segment; any progress ends the back-off.
    mutating func acknowledge(_ ack: SequenceNumber, now: UInt64, settings: UnsafePointer<TCPConfiguration>) {
        backOff = 0
        guard timedSince != 0, ack >= timedEnd else { return }
        sample(now &- timedSince, settings: settings)
        timedSince = 0
    }

    private mutating func sample(_ measured: UInt64, settings: UnsafePointer<TCPConfiguration>) {
        // A day is beyond every plausible round trip; it keeps the sums far from their limits.
        let r = min(max(1, measured), 86_400_000_000_000)
        if smoothed == 0 {
            smoothed = r
            variation = r / 2
        } else {
            let delta = smoothed > r ? smoothed &- r : r &- smoothed
            variation = (3 &* variation &+ delta) / 4
            smoothed = max(1, (7 &* smoothed &+ r) / 8)
        }
        let low = settings.pointee.minimumRTO.unsigned
        let high = settings.pointee.maximumRTO.unsigned
        timeout = min(max(smoothed &+ max(Self.clockGranularity, 4 &* variation), low), max(low, high))
    }

    /// RFC 6298, 5.7: the handshake had to be repeated, so nothing is known about this path.
    mutating func assumeSlowPath() {
        if smoothed == 0 { timeout = max(timeout, 3_000_000_000) }
        backOff = 0
    }

    mutating func endBackOff() { backOff = 0 }

    mutating func backOffOnce() { if backOff < 32 { backOff &+= 1 } }

    /// RTO with its back-off.
    func backedOffTimeout(_ settings: UnsafePointer<TCPConfiguration>) -> UInt64 {
        Self.shifted(timeout, backOff, settings)
    }

    /// RFC 9293, 3.8.6.1: the first window probe after RTO, the next ones after twice the time of the last.
    func probeTimeout(_ shift: UInt8, _ settings: UnsafePointer<TCPConfiguration>) -> UInt64 {
        Self.shifted(timeout, shift, settings)
    }

    /// What the timeout would be without RFC 6298's lower bound; at least 5 ms. Used for tail probes:
    /// one segment when everything else is quiet.
    func quickTimeout(_ shift: UInt8, _ settings: UnsafePointer<TCPConfiguration>) -> UInt64 {
        let base = smoothed == 0 ? timeout : max(5_000_000, smoothed &+ 4 &* variation)
        return Self.shifted(base, shift, settings)
    }

    private static func shifted(_ base: UInt64, _ shift: UInt8, _ settings: UnsafePointer<TCPConfiguration>) -> UInt64 {
        let high = settings.pointee.maximumRTO.unsigned
        let shift = min(shift, 40)
        return base > high >> UInt64(shift) ? high : base << UInt64(shift)
    }
}

extension RoundTrip {
    private static let longest: UInt64 = 86_400_000_000_000

    mutating func code(_ coder: inout StateCoder) throws(StateError) {
        try coder.integer(&smoothed)
        try coder.integer(&variation)
        try coder.integer(&timeout)
        try coder.integer(&backOff)
        try timedEnd.code(&coder)
        try coder.integer(&timedSince)
        try coder.require(
            smoothed <= Self.longest && variation <= Self.longest && timeout <= Self.longest, "round-trip time")
        try coder.require(backOff <= 32, "back-off")
    }
}

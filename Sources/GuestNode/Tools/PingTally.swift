// What ping counts and how it sums it up: packets, losses, round-trip times.

import Bytes

/// Counts and times of one ping.
struct PingTally: Equatable, Sendable {
    var transmitted = 0
    var received = 0
    var duplicates = 0
    var damaged = 0
    var errors = 0
    var slowest = Interval.zero
    var fastest = Interval(nanoseconds: .max)
    /// Sums in microseconds; they saturate instead of wrapping.
    var sum: Int64 = 0
    var sumOfSquares: Int64 = 0
    var measured: Int64 = 0

    /// Requests that neither an answer nor an error has come for.
    var outstanding: Int { max(0, transmitted - received - errors) }

    mutating func sent() { transmitted += 1 }
    mutating func failed() { errors += 1 }

    mutating func accept(roundTrip: Interval, isIntact: Bool, isDuplicate: Bool) {
        if isDuplicate { duplicates += 1 } else { received += 1 }
        if !isIntact { damaged += 1 }
        let time = max(roundTrip, .zero)
        slowest = max(slowest, time)
        fastest = min(fastest, time)
        measured += 1
        sum = sum.saturatingAdd(time.microseconds)
        let (square, overflow) = time.microseconds.multipliedReportingOverflow(by: time.microseconds)
        sumOfSquares = sumOfSquares.saturatingAdd(overflow ? .max : square)
    }

    /// Milliseconds with the digits worth reading: three up to 1 ms and one fewer for each power of ten.
    static func rounded(_ time: Interval) -> String {
        let digits =
            switch time.microseconds {
            case ..<1000: 3
            case ..<10_000: 2
            case ..<100_000: 1
            default: 0
            }
        return milliseconds(time.nanoseconds, digits: digits)
    }

    /// The lines under `--- HOST ping statistics ---`.
    func summary(duration: Interval) -> String {
        var line = "\(transmitted) packets transmitted, \(received) received"
        if duplicates > 0 { line += ", +\(duplicates) duplicates" }
        if damaged > 0 { line += ", +\(damaged) corrupted" }
        if errors > 0 { line += ", +\(errors) errors" }
        if transmitted > 0 { line += ", \(lossText)% packet loss" }
        line += ", time \(max(0, duration.milliseconds))ms\n"
        guard measured > 0 else { return line + "\n" }
        let times = [fastest.microseconds, sum / measured, slowest.microseconds, deviation]
        return line + "rtt min/avg/max/mdev = "
            + times.map { milliseconds($0 &* 1000, digits: 3) }.joined(separator: "/") + " ms\n"
    }

    /// Percent with up to four decimals and no zeros after them.
    private var lossText: String {
        let lost = max(0, transmitted - received)
        let parts = lost * 1_000_000 / transmitted
        guard parts % 10_000 != 0 else { return String(parts / 10_000) }
        var fraction = zeroPadded(parts % 10_000, to: 4)
        while fraction.hasSuffix("0") { fraction.removeLast() }
        return "\(parts / 10_000).\(fraction)"
    }

    /// The standard deviation in microseconds.
    private var deviation: Int64 {
        let mean = sum / measured
        let (square, overflow) = mean.multipliedReportingOverflow(by: mean)
        let variance = overflow ? 0 : max(0, sumOfSquares / measured &- square)
        return Int64(Double(variance).squareRoot())
    }
}

extension FixedWidthInteger {
    func saturatingAdd(_ other: Self) -> Self {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}

// sleep: waits for a time, or for several that are added up.

import Bytes

/// A sleep under way.
struct Sleep: RunningTool {
    var length: Interval
    var end: Instant?

    init(_ arguments: [String]) throws(UsageError) {
        guard !arguments.isEmpty else { throw .missingOperand("SECONDS") }
        var sum = Interval.zero
        for word in arguments {
            guard let part = Interval(seconds: word) else {
                throw .badValue(option: "SECONDS", value: word, accepted: "seconds such as 2 or 0.5 are accepted")
            }
            sum = sum + part
        }
        length = sum
    }

    init(length: Interval) { self.length = length }

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        let end = self.end ?? now + length
        self.end = end
        return now >= end ? .finished(ExitStatus.success) : .running(until: end)
    }

    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32 { ExitStatus.interrupted }
}

// ramp: one counting stream, or several of the same kind at once. It says what all of them together have moved and the
// longest gap of any; a stream that fails says so, and the others go on.

import Bytes
import NetStack

/// A `ramp` under way.
struct Ramps: RunningTool {
    var streams: [Ramp]
    /// The worst of those that are over.
    var status = ExitStatus.success

    init(_ options: RampOptions) { streams = Array(repeating: Ramp(options), count: options.streams) }

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        var (isBusy, isRunning, next) = (false, false, Instant(nanoseconds: .max))
        var troubles: [String] = []
        for index in streams.indices where !streams[index].isOver {
            switch streams[index].step(&context, now: now) {
            case .again: isBusy = true
            case .running(let until):
                isRunning = true
                if let until { next = min(next, until) }
            case .finished(let worst):
                status = max(status, worst)
                if let trouble = streams[index].trouble { troubles.append(trouble) }
            }
        }
        let isOver = !isBusy && !isRunning
        if isOver { report(&context) }
        for trouble in troubles { context.complain("ramp: \(trouble)\n") }
        guard !isOver else { return .finished(status) }
        return isBusy ? .again : .running(until: next.nanoseconds == .max ? nil : next)
    }

    mutating func interrupt(_ context: inout ToolContext, now: Instant) -> Int32 {
        for index in streams.indices { streams[index].interrupt(context, now: now) }
        report(&context)
        return ExitStatus.interrupted
    }

    mutating func wasAway(_ time: Interval) {
        for index in streams.indices { streams[index].wasAway(time) }
    }

    /// Those that never had a connection have nothing to say.
    private func report(_ context: inout ToolContext) {
        let began = streams.filter(\.hasBegun)
        guard let first = began.first else { return }
        let bytes = began.reduce(0 as UInt64) { $0 &+ $1.offset }
        let time = began.reduce(0) { max($0, $1.elapsed.milliseconds) }
        let gap = began.reduce(Interval.zero) { max($0, $1.gap.longest) }
        let several = streams.count > 1 ? " in \(began.count) streams" : ""
        context.print(
            "\(first.options.isSender ? "sent" : "received") \(bytes) bytes\(several) in \(time / 1000)."
                + "\(zeroPadded(time % 1000, to: 3)) s, longest gap \(milliseconds(gap.nanoseconds, digits: 3)) ms\n"
        )
    }
}

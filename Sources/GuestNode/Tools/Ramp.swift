// A counting stream (RampStream) over one TCP connection, that finds one lost, repeated or changed byte and measures the
// longest gap. `send` writes it, `check` reads it and looks at every byte. Status 1 when there was no connection, when it
// broke, or when a byte was not what it had to be. The tool is one of them or several: Ramps.

import Bytes
import NetStack

/// One stream of `ramp`.
struct Ramp: Sendable {
    enum State: Sendable {
        case opening(StreamOpening)
        case talking(TCPSocketID)
        case over
    }

    /// Bytes a step moves at most.
    static let bytesPerStep = 1 << 20

    var options: RampOptions
    var state: State
    /// Bytes of the stream so far.
    var offset: UInt64 = 0
    /// Of them, what the peer has acknowledged; of a sender.
    var acknowledged: UInt64 = 0
    var isClosing = false
    var pace: StreamPace?
    var gap = GapMeter()
    var started = Instant(nanoseconds: 0)
    /// What passed outside and the node's clock does not show.
    var away = Interval.zero
    /// From the connection to the end, once that has come.
    var elapsed = Interval.zero
    var isOver: Bool {
        if case .over = state { return true }
        return false
    }
    /// There was a connection.
    var hasBegun = false
    /// What was wrong in the end.
    var trouble: String?

    init(_ options: RampOptions) {
        self.options = options
        state = .opening(StreamOpening(host: options.isListener ? nil : options.host ?? "", port: options.port))
    }

    mutating func step(_ context: inout ToolContext, now: Instant) -> ToolStep {
        switch state {
        case .opening(var opening):
            let progress = opening.step(context.host, now: now)
            state = .opening(opening)
            return follow(progress, &context, now)
        case .talking(let socket):
            if let until = deadline, now >= until, !isClosing { return timeIsOver(socket, &context, now) }
            return options.isSender ? send(socket, &context, now) : check(socket, &context, now)
        case .over: return .finished(ExitStatus.failure)
        }
    }

    /// Gives its socket back, after whole words.
    mutating func interrupt(_ context: ToolContext, now: Instant) {
        switch state {
        case .opening(var opening): opening.cancel(context.host, now: now)
        case .talking(let socket):
            // A stream has whole words.
            if options.isSender, fillWord(socket, context, now) > 0 { context.host.tcp.abort(socket, now: now) }
            measure(now)
            context.host.tcp.release(socket, now: now)
        case .over: break
        }
        state = .over
    }

    mutating func wasAway(_ time: Interval) {
        away = away + time
        gap.wasAway(time)
    }

    // MARK: beginning

    private mutating func follow(
        _ progress: StreamOpening.Progress, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        switch progress {
        case .waiting: return .running(until: nil)
        case .failed(let reason):
            state = .over
            trouble = reason
            return .finished(ExitStatus.failure)
        case .open(let socket):
            state = .talking(socket)
            (started, away, hasBegun) = (now, .zero, true)
            pace = options.rate.map { StreamPace(rate: $0, due: now) }
            return step(&context, now: now)
        }
    }

    private var deadline: Instant? { options.duration.map { started + $0 } }

    /// When there is something to do although nothing has come.
    private var next: Instant? {
        guard !isClosing else { return nil }
        guard let deadline else { return pace?.due }
        return pace.map { min($0.due, deadline) } ?? deadline
    }

    /// How many bytes may be moved now, by what was asked for.
    private mutating func allowance(_ now: Instant) -> Int {
        let left = options.bytes.map { $0 > offset ? $0 - offset : 0 } ?? .max
        return min(Self.bytesPerStep, pace?.allowance(now) ?? .max, Int(clamping: left))
    }

    private mutating func advance(by count: Int) {
        offset &+= UInt64(count)
        pace?.spend(count)
    }

    // MARK: sending

    private mutating func send(_ socket: TCPSocketID, _ context: inout ToolContext, _ now: Instant) -> ToolStep {
        let tcp = context.host.tcp
        // What the peer says to a stream is nothing to it.
        while tcp.withReceiveSpan(socket, now: now, { $0.count }).count > 0 {}
        guard let before = tcp.status(socket) else { return end(.connectionAborted, &context, now) }
        if let error = before.error { return end(error, &context, now) }
        let hasMoved = !isClosing && push(socket, context, now)
        if !isClosing, let bytes = options.bytes, offset >= bytes {
            tcp.shutdownSend(socket, now: now)
            isClosing = true
        }
        guard let after = tcp.status(socket) else { return end(.connectionAborted, &context, now) }
        watch(after, now)
        if isClosing, after.isDelivered { return end(nil, &context, now) }
        return hasMoved && pace == nil ? .again : .running(until: next)
    }

    /// Writes what the send buffer and the pace permit; true when something was written.
    private mutating func push(_ socket: TCPSocketID, _ context: ToolContext, _ now: Instant) -> Bool {
        var left = allowance(now)
        let first = offset
        while left > 0 {
            let start = offset
            let filled = context.host.tcp.withSendSpan(socket, now: now) { room in
                let piece = UnsafeMutableRawBufferPointer(rebasing: room.prefix(left))
                RampStream.fill(piece, from: start)
                return piece.count
            }.count
            guard filled > 0 else { break }
            advance(by: filled)
            left -= filled
        }
        return offset != first
    }

    /// The gap of a sender is the time in which the peer acknowledged nothing although there was something to.
    private mutating func watch(_ status: TCPStatus, _ now: Instant) {
        let waiting = UInt64(max(0, status.unacknowledgedBytes))
        let known = offset &- min(offset, waiting)
        if known > acknowledged {
            acknowledged = known
            gap.moved(now)
        }
        if waiting == 0 { gap.rest() } else { gap.expect(now) }
    }

    /// The bytes that a word lacks, and did not get.
    private mutating func fillWord(_ socket: TCPSocketID, _ context: ToolContext, _ now: Instant) -> Int {
        let missing = Int((4 &- offset % 4) % 4)
        guard missing > 0 else { return 0 }
        let rest = (0..<missing).map { RampStream.byte(at: offset &+ UInt64($0)) }
        let sent = rest.withUnsafeBytes { context.host.tcp.send(socket, $0, now: now) }.count
        advance(by: sent)
        return missing - sent
    }

    // MARK: checking

    private mutating func check(_ socket: TCPSocketID, _ context: inout ToolContext, _ now: Instant) -> ToolStep {
        let first = offset
        if let fault = receive(socket, context, now) { return end(fault, &context, now) }
        let hasMoved = offset != first
        if let bytes = options.bytes, offset >= bytes { return end(nil, &context, now) }
        guard let status = context.host.tcp.status(socket) else { return end(.connectionAborted, &context, now) }
        // Bytes that wait here for the pace have come.
        if hasMoved || status.readableBytes > 0 { gap.moved(now) }
        if status.readableBytes == 0, let error = status.error { return end(error, &context, now) }
        if status.isEOF { return endOfStream(&context, now) }
        guard status.readableBytes > 0 else { return .running(until: deadline) }
        return pace == nil ? .again : .running(until: next)
    }

    /// Looks at what has come, as far as the pace permits; returns what is wrong with it.
    private mutating func receive(_ socket: TCPSocketID, _ context: ToolContext, _ now: Instant) -> String? {
        var left = allowance(now)
        var fault: String?
        while left > 0, fault == nil {
            let start = offset
            let taken = context.host.tcp.withReceiveSpan(socket, now: now) { span in
                let piece = UnsafeRawBufferPointer(rebasing: span.prefix(left))
                guard let wrong = RampStream.firstFault(piece, from: start) else { return piece.count }
                fault = Self.describe(piece[wrong], at: start &+ UInt64(wrong))
                return wrong
            }.count
            advance(by: taken)
            left -= taken
            if taken == 0 { break }
        }
        return fault
    }

    private static func describe(_ byte: UInt8, at offset: UInt64) -> String {
        func hex(_ byte: UInt8) -> String { "0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }
        return "byte \(offset) is \(hex(byte)), not \(hex(RampStream.byte(at: offset)))"
    }

    private mutating func endOfStream(_ context: inout ToolContext, _ now: Instant) -> ToolStep {
        gap.rest()
        if let bytes = options.bytes {
            return end("the peer has closed after \(offset) of \(bytes) bytes", &context, now)
        }
        if offset == 0 { return end("the peer has closed before the first byte", &context, now) }
        return end(offset % 4 == 0 ? nil : "the peer has closed within a word", &context, now)
    }

    // MARK: the end

    /// A sender fills its last word and has it delivered; whoever checks has seen enough.
    private mutating func timeIsOver(
        _ socket: TCPSocketID, _ context: inout ToolContext, _ now: Instant
    ) -> ToolStep {
        guard options.isSender else {
            if let fault = receive(socket, context, now) { return end(fault, &context, now) }
            return end(offset == 0 ? "nothing has come" : nil, &context, now)
        }
        options.bytes = min(options.bytes ?? .max, offset &+ (4 &- offset % 4) % 4)
        (options.duration, pace) = (nil, nil)
        return send(socket, &context, now)
    }

    private mutating func end(_ error: TCPError, _ context: inout ToolContext, _ now: Instant) -> ToolStep {
        end(error.reason, &context, now)
    }

    /// `trouble` says what is wrong, if anything is.
    private mutating func end(_ trouble: String?, _ context: inout ToolContext, _ now: Instant) -> ToolStep {
        measure(now)
        self.trouble = trouble
        if case .talking(let socket) = state { context.host.tcp.release(socket, now: now) }
        state = .over
        return .finished(trouble == nil ? ExitStatus.success : ExitStatus.failure)
    }

    private mutating func measure(_ now: Instant) {
        gap.stop(now)
        elapsed = max(.zero, now.since(started) + away)
    }
}
